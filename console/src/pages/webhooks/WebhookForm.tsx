import { type ReactNode, useState } from 'react'
import { isStale } from '~/api/problem'
import { useTexts } from '~/texts'
import { Field } from '~/ui/Field'
import { Form, FormButtons, FormError, textOf } from '~/ui/FormParts'
import { EventTypes } from './EventTypes'
import { type Draft, type Webhook, webhookErrors } from './webhooks'

/** The fields of a webhook, for a new one and for a change. */
export function WebhookForm(props: {
  webhook?: Webhook
  notice?: ReactNode
  submit: string
  busy: boolean
  error: Error | null
  onClose: () => void
  onSubmit: (draft: Draft) => void
}) {
  const texts = useTexts()
  const { webhook, error } = props
  const [events, setEvents] = useState(webhook?.events ?? [])
  const [isMissing, setMissing] = useState(false)
  const errors = webhookErrors(error)
  const isExplained = !!props.notice && isStale(error)
  const submit = (form: FormData) => {
    setMissing(!events.length)
    if (events.length)
      props.onSubmit({
        url: textOf(form, 'url') ?? '',
        events,
        description: textOf(form, 'description') ?? null,
      })
  }
  return (
    <Form error={error} onSubmit={submit}>
      <Field
        name="url"
        type="url"
        label={texts.webhooks.form.url}
        hint={texts.webhooks.form.urlHint}
        error={errors.url}
        defaultValue={webhook?.url}
        maxLength={2000}
        required
        autoFocus
      />
      <Field
        name="description"
        label={texts.webhooks.form.description}
        error={errors.description}
        defaultValue={webhook?.description ?? ''}
        maxLength={500}
      />
      <EventTypes
        chosen={events}
        onChange={setEvents}
        error={errors.events ?? (isMissing && !events.length ? texts.webhooks.form.noEvents : undefined)}
      />
      <FormError error={errors.url || isExplained ? null : error} shown={['url', 'description', 'events']} />
      {props.notice}
      <FormButtons busy={props.busy} onClose={props.onClose} submit={props.submit} />
    </Form>
  )
}
