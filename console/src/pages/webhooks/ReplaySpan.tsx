import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schemas } from '~/api/client'
import { fieldErrors } from '~/api/problem'
import { reread } from '~/api/queries'
import { fromInput, toInput } from '~/format/time'
import { useFormats, useTexts } from '~/texts'
import { Check, Field } from '~/ui/Field'
import { FormDialog } from '~/ui/FormDialog'
import { textOf } from '~/ui/FormParts'
import { say } from '~/ui/toast'
import { hostOf, replaySpan, type Webhook } from './webhooks'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/** Asks for a span and which deliveries of it to send again, then shows what will happen before it is done. */
export function ReplaySpan(props: { webhook: Webhook; onClose: () => void }) {
  const { webhook, onClose } = props
  const texts = useTexts()
  const formats = useFormats()
  const [span, setSpan] = useState(() => ({
    from: webhook.failing_since ?? new Date(Date.now() - DAY_MS).toISOString(),
    // The field has whole minutes: the next one, as the events of this minute belong to the span.
    to: new Date(Date.now() + MINUTE_MS).toISOString(),
    only_failed: true,
  }))
  const [isChecking, setChecking] = useState(false)
  const replaying = useMutation({
    mutationFn: (of: Schemas['ReplayWebhookRequest']) => replaySpan(webhook, of),
    onSuccess: () => {
      say(texts.webhooks.replay.started)
      void reread('webhook', webhook.id)
      onClose()
    },
    onError: (error) => setChecking(Object.keys(fieldErrors(error)).length === 0),
  })
  if (isChecking)
    return (
      <FormDialog
        title={texts.webhooks.replay.sure}
        request={replaying}
        submit={texts.webhooks.replay.submit}
        dismiss={texts.webhooks.replay.back}
        onSubmit={() => replaying.mutate(span)}
        onClose={onClose}
        onDismiss={() => setChecking(false)}
      >
        <p className="break">
          {texts.webhooks.replay.summary(
            hostOf(webhook.url),
            formats.dateTime(span.from),
            formats.dateTime(span.to),
          )}
        </p>
        <p className="quiet">
          {span.only_failed ? texts.webhooks.replay.onlyFailedLead : texts.webhooks.replay.allLead}
        </p>
      </FormDialog>
    )
  const errors = fieldErrors(replaying.error)
  const check = (form: FormData) => {
    replaying.reset()
    setSpan({
      from: fromInput(textOf(form, 'from') ?? ''),
      to: fromInput(textOf(form, 'to') ?? ''),
      only_failed: form.get('only_failed') === 'on',
    })
    setChecking(true)
  }
  const day = (name: 'from' | 'to') => (
    <Field
      name={name}
      type="datetime-local"
      label={texts.webhooks.replay[name]}
      error={errors[name]}
      defaultValue={toInput(span[name])}
      required
    />
  )
  return (
    <FormDialog
      title={texts.webhooks.replay.title}
      lead={texts.webhooks.replay.lead}
      request={replaying}
      shown={['from', 'to']}
      submit={texts.webhooks.replay.check}
      onSubmit={check}
      onClose={onClose}
    >
      {day('from')}
      {day('to')}
      <Check name="only_failed" label={texts.webhooks.replay.onlyFailed} defaultChecked={span.only_failed} />
    </FormDialog>
  )
}
