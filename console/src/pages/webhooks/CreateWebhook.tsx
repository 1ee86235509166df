import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { reread } from '~/api/queries'
import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { SecretDialog } from '~/ui/SecretDialog'
import { WebhookForm } from './WebhookForm'
import { createWebhook } from './webhooks'

/** Asks for a new webhook, shows its secret once, and goes to its page. */
export function CreateWebhook(props: { onClose: () => void }) {
  const texts = useTexts()
  const navigate = useNavigate()
  const creating = useMutation({
    mutationFn: createWebhook,
    // The secret is forgotten with the dialog.
    gcTime: 0,
    onSuccess: () => reread('webhooks'),
  })
  const created = creating.data
  if (created)
    return (
      <SecretDialog
        secret={created.secret}
        texts={texts.webhooks.secret}
        lead={texts.webhooks.secret.created}
        onClose={() => {
          props.onClose()
          void navigate({ to: '/webhooks/$id', params: { id: created.id } })
        }}
      />
    )
  return (
    <Dialog open wide stays onClose={props.onClose} title={texts.webhooks.create}>
      <WebhookForm
        submit={texts.webhooks.createSubmit}
        busy={creating.isPending}
        error={creating.error}
        onClose={props.onClose}
        onSubmit={(draft) => creating.mutate(draft)}
      />
    </Dialog>
  )
}
