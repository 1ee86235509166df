import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schemas } from '~/api/client'
import { reread } from '~/api/queries'
import { currentUser } from '~/session/session'
import { useTexts } from '~/texts'
import { Field, TextArea } from '~/ui/Field'
import { textOf } from '~/ui/FormParts'
import { say } from '~/ui/toast'
import { addressesOf, createSchedule } from './exports'
import { EXAMPLES, meaningOf } from './expressions'
import { ReportDialog, type ReportFile } from './ReportDialog'
import { useMeaning } from './When'

export function CreateSchedule(props: { onClose: () => void }) {
  const { onClose } = props
  const texts = useTexts()
  const creating = useMutation({
    mutationFn: createSchedule,
    onSuccess: () => {
      say(texts.exports.schedules.created)
      void reread('schedules')
      onClose()
    },
  })
  const submit = (file: ReportFile, form: FormData) =>
    creating.mutate({
      ...file,
      schedule: textOf(form, 'schedule') ?? '',
      recipients: addressesOf(textOf(form, 'recipients') ?? ''),
    } as Schemas['CreateScheduleRequest'])
  return (
    <ReportDialog
      title={texts.exports.schedules.create}
      leads={texts.exports.schedules.contents}
      request={creating}
      shown={['schedule', 'recipients']}
      submit={texts.exports.schedules.createSubmit}
      onSubmit={submit}
      onClose={onClose}
    >
      {(_, errors) => (
        <>
          <Expression error={errors.schedule} />
          <TextArea
            name="recipients"
            label={texts.exports.schedules.recipients}
            hint={texts.exports.schedules.recipientsHint}
            error={errors.recipients}
            defaultValue={currentUser()?.email ?? ''}
            required
          />
        </>
      )}
    </ReportDialog>
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
