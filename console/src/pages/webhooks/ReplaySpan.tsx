import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schemas } from '~/api/client'
import { queries } from '~/api/queries'
import { fromInput, toInput } from '~/format/time'
import { useFormats, useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { Check, Field } from '~/ui/Field'
import { Form, FormButtons, FormError, fieldErrors, textOf } from '~/ui/FormParts'
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
      void queries.invalidateQueries({ queryKey: ['webhook', webhook.id] })
      onClose()
    },
    onError: (error) => setChecking(Object.keys(fieldErrors(error)).length === 0),
  })
  if (isChecking)
    return (
      <Dialog open onClose={onClose} title={texts.webhooks.replay.sure}>
        <Form onSubmit={() => replaying.mutate(span)}>
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
          <FormError error={replaying.error} shown={[]} />
          <FormButtons
            busy={replaying.isPending}
            onClose={() => setChecking(false)}
            submit={texts.webhooks.replay.submit}
            dismiss={texts.webhooks.replay.back}
          />
        </Form>
      </Dialog>
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
  return (
    <Dialog open onClose={onClose} title={texts.webhooks.replay.title} lead={texts.webhooks.replay.lead}>
      <Form error={replaying.error} onSubmit={check}>
        <Field
          name="from"
          type="datetime-local"
          label={texts.webhooks.replay.from}
          error={errors.from}
          defaultValue={toInput(span.from)}
          required
        />
        <Field
          name="to"
          type="datetime-local"
          label={texts.webhooks.replay.to}
          error={errors.to}
          defaultValue={toInput(span.to)}
          required
        />
        <Check
          name="only_failed"
          label={texts.webhooks.replay.onlyFailed}
          defaultChecked={span.only_failed}
        />
        <FormError error={replaying.error} shown={['from', 'to']} />
        <FormButtons busy={false} onClose={onClose} submit={texts.webhooks.replay.check} />
      </Form>
    </Dialog>
  )
}
