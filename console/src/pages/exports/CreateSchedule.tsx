import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schemas } from '~/api/client'
import { useIntentKey } from '~/api/intent'
import { reread } from '~/api/queries'
import { currentUser } from '~/session/session'
import { useTexts } from '~/texts'
import { Field, Select, TextArea } from '~/ui/Field'
import { textOf } from '~/ui/FormParts'
import { say } from '~/ui/toast'
import { addressesOf, createSchedule } from './exports'
import { DAILY, EXAMPLES, meaningOf, WEEKLY } from './expressions'
import { ReportDialog, type ReportFile } from './ReportDialog'
import { useMeaning } from './When'

/** `wanted`: the report that is chosen at first. */
export function CreateSchedule(props: { wanted?: string | undefined; onClose: () => void }) {
  const { onClose } = props
  const texts = useTexts()
  const keyOf = useIntentKey()
  const creating = useMutation({
    mutationFn: (wanted: Schemas['CreateScheduleRequest']) => createSchedule(wanted, keyOf(wanted)),
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
      wanted={props.wanted}
      leads={texts.exports.schedules.contents}
      request={creating}
      shown={['schedule', 'recipients']}
      submit={texts.exports.schedules.createSubmit}
      onSubmit={submit}
      onClose={onClose}
    >
      {(_, errors) => (
        <>
          <When first={props.wanted ? WEEKLY : DAILY} error={errors.schedule} />
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

/** A usual time by its meaning, or any other as an expression. `first` is chosen at first. */
function When(props: { first: string; error: string | undefined }) {
  const texts = useTexts()
  const meaning = useMeaning()
  const [usual, setUsual] = useState(props.first)
  const [typed, setTyped] = useState('')
  const text = typed.trim()
  return (
    <>
      <Select
        label={texts.exports.schedules.when}
        value={usual}
        onChange={(event) => setUsual(event.target.value)}
        options={[
          ...EXAMPLES.map((it): [string, string] => [it, meaning(it)]),
          ['', texts.exports.schedules.otherTime],
        ]}
      />
      {usual ? (
        <input type="hidden" name="schedule" value={usual} />
      ) : (
        <Field
          name="schedule"
          label={texts.exports.schedules.expression}
          className="input mono"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          hint={meaningOf(text) ? meaning(text) : texts.exports.schedules.expressionHint}
          error={props.error}
          maxLength={256}
          spellCheck={false}
          autoComplete="off"
          required
        />
      )}
    </>
  )
}
