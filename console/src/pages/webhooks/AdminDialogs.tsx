/** What only admins do with a webhook: change it, replace its secret, delete it. */

import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { queries, reread, rereadIfStale } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { FormDialog } from '~/ui/FormDialog'
import { comeIntoView } from '~/ui/FormParts'
import { SecretDialog } from '~/ui/SecretDialog'
import { say } from '~/ui/toast'
import { nameOfType } from '../events/events'
import { WebhookForm } from './WebhookForm'
import {
  changesOf,
  changeWebhook,
  type Draft,
  deleteWebhook,
  hostOf,
  rotateSecret,
  type Webhook,
} from './webhooks'

type Props = { webhook: Webhook; onClose: () => void }

export function ChangeDialog({ webhook, onClose }: Props) {
  const texts = useTexts()
  const [opened] = useState(webhook)
  const changing = useMutation({
    mutationFn: async (draft: Draft) => {
      // Only what this user has changed is sent, so that the others' changes stay.
      const changes = changesOf(opened, draft)
      return Object.keys(changes).length ? changeWebhook(webhook, changes) : webhook
    },
    onSuccess: (changed) => {
      queries.setQueryData(['webhook', webhook.id], changed)
      void reread('webhooks')
      say(texts.webhooks.saved)
      onClose()
    },
    onError: (error) => rereadIfStale(error, 'webhook', webhook.id),
  })
  return (
    <Dialog open wide stays onClose={onClose} title={texts.webhooks.change}>
      <WebhookForm
        webhook={opened}
        notice={webhook.version !== opened.version && <Current webhook={webhook} />}
        submit={texts.common.save}
        busy={changing.isPending}
        error={changing.error}
        onClose={onClose}
        onSubmit={(draft) => changing.mutate(draft)}
      />
    </Dialog>
  )
}

/** The state after someone else's change, beside what this user has typed. */
function Current({ webhook }: { webhook: Webhook }) {
  const texts = useTexts()
  return (
    <div className="note" ref={comeIntoView}>
      <div className="stack tight">
        <strong>{texts.webhooks.changedMeanwhile}</strong>
        <span className="mono break">{webhook.url}</span>
        <span className="break">{webhook.description}</span>
        <span className="break">{webhook.events.map((it) => nameOfType(it, texts)).join(', ')}</span>
      </div>
    </div>
  )
}

export function RotateDialog({ webhook, onClose }: Props) {
  const texts = useTexts()
  const formats = useFormats()
  const rotating = useMutation({
    mutationFn: () => rotateSecret(webhook),
    // The secret is forgotten with the dialog.
    gcTime: 0,
    onSuccess: () => reread('webhook', webhook.id),
    onError: (error) => rereadIfStale(error, 'webhook', webhook.id),
  })
  if (rotating.data)
    return (
      <SecretDialog
        secret={rotating.data.secret}
        texts={texts.webhooks.secret}
        lead={texts.webhooks.rotate.until(formats.dateTime(rotating.data.previous_valid_until))}
        onClose={onClose}
      />
    )
  return (
    <FormDialog
      title={texts.webhooks.rotate.title}
      lead={texts.webhooks.rotate.lead}
      request={rotating}
      submit={texts.webhooks.rotate.submit}
      onSubmit={() => rotating.mutate()}
      onClose={onClose}
    />
  )
}

export function DeleteDialog({ webhook, onClose }: Props) {
  const texts = useTexts()
  const navigate = useNavigate()
  const deleting = useMutation({
    mutationFn: () => deleteWebhook(webhook),
    onSuccess: async () => {
      say(texts.webhooks.delete.done)
      await navigate({ to: '/webhooks' })
      queries.removeQueries({ queryKey: ['webhook', webhook.id] })
      void reread('webhooks')
    },
    onError: (error) => rereadIfStale(error, 'webhook', webhook.id),
  })
  return (
    <FormDialog
      title={texts.webhooks.delete.title(hostOf(webhook.url))}
      lead={texts.webhooks.delete.lead}
      request={deleting}
      submit={texts.webhooks.delete.open}
      dismiss={texts.webhooks.delete.keep}
      danger
      onSubmit={() => deleting.mutate()}
      onClose={onClose}
    />
  )
}
