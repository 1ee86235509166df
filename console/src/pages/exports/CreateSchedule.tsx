import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schemas } from '~/api/client'
import { queries } from '~/api/queries'
import { currentUser } from '~/session/session'
import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { Field, Select, TextArea } from '~/ui/Field'
import { Form, FormButtons, FormError, fieldErrors, textOf } from '~/ui/FormParts'
import { say } from '~/ui/toast'
import { addressesOf, columnsOf, createSchedule, REPORTS, type Report } from './exports'
import { EXAMPLES, meaningOf } from './expressions'
import { FileFields, usualFile } from './FileFields'
import { useMeaning } from './When'

export function CreateSchedule(props: { onClose: () => void }) {
  const { onClose } = props
  const texts = useTexts()
  const [report, setReport] = useState<Report>('orders')
  const [file, setFile] = useState(usualFile('orders'))
  const creating = useMutation({
    mutationFn: createSchedule,
    onSuccess: () => {
      say(texts.exports.schedules.created)
      void queries.invalidateQueries({ queryKey: ['schedules'] })
      onClose()
    },
  })
  const errors = fieldErrors(creating.error)
  const submit = (form: FormData) => {
    const columns = columnsOf(report, file.columns)
    if (file.columns.size)
      creating.mutate({
        report,
        schedule: textOf(form, 'schedule') ?? '',
        recipients: addressesOf(textOf(form, 'recipients') ?? ''),
        format: file.format,
        ...(form.get('bom') ? { bom: true } : {}),
        ...(columns ? { columns } : {}),
      } as Schemas['CreateScheduleRequest'])
  }
  return (
    <Dialog open wide stays onClose={onClose} title={texts.exports.schedules.create}>
      <Form error={creating.error} onSubmit={submit}>
        <Select
          name="report"
          label={texts.exports.report}
          value={report}
          autoFocus
          onChange={(event) => {
            const to = event.target.value as Report
            setReport(to)
            setFile({ ...usualFile(to), format: file.format })
          }}
          options={REPORTS.map((it) => [it, texts.exports.reports[it]])}
          hint={texts.exports.schedules.contents[report]}
        />
        <Expression error={errors.schedule} />
        <TextArea
          name="recipients"
          label={texts.exports.schedules.recipients}
          hint={texts.exports.schedules.recipientsHint}
          error={errors.recipients}
          defaultValue={currentUser()?.email ?? ''}
          required
        />
        <FileFields report={report} choice={file} onChange={setFile} error={errors.columns} />
        <FormError error={creating.error} shown={['schedule', 'recipients', 'columns']} />
        <FormButtons
          busy={creating.isPending}
          onClose={onClose}
          submit={texts.exports.schedules.createSubmit}
        />
      </Form>
    </Dialog>
  )
}

/** The expression, with its meaning, and examples that fill it in. */
function Expression(props: { error: string | undefined }) {
  const texts = useTexts()
  const meaning = useMeaning()
  const [value, setValue] = useState(EXAMPLES[0] ?? '')
  const text = value.trim()
  return (
    <div className="stack tight">
      <Field
        name="schedule"
        label={texts.exports.schedules.expression}
        className="input mono"
        value={value}
        onChange={(event) => setValue(event.target.value)}
        hint={meaningOf(text) ? meaning(text) : texts.exports.schedules.expressionHint}
        error={props.error}
        maxLength={256}
        spellCheck={false}
        autoComplete="off"
        required
      />
      <div className="chips">
        {EXAMPLES.map((it) => (
          <button key={it} type="button" className="chip" title={it} onClick={() => setValue(it)}>
            {meaning(it)}
          </button>
        ))}
      </div>
    </div>
  )
}
