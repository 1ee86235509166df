import { useMutation } from '@tanstack/react-query'
import { reread } from '~/api/queries'
import { useTexts } from '~/texts'
import { complain } from '~/ui/problems'
import { say } from '~/ui/toast'
import type { Webhook } from './webhooks'

/** Sends something to a webhook, which must be active, and shows the new deliveries. */
export function SendButton(props: {
  webhook: Webhook
  send: () => Promise<unknown>
  name: string
  /** The message after the API has accepted it. */
  done: string
  isPrimary?: boolean
}) {
  const { webhook, send, name, done, isPrimary } = props
  const texts = useTexts()
  const isActive = webhook.status === 'active'
  const sending = useMutation({
    mutationFn: send,
    onSuccess: () => {
      say(done)
      void reread('webhook', webhook.id)
    },
    onError: (error) => complain(error, texts),
  })
  return (
    <button
      type="button"
      className={isPrimary ? 'button primary' : 'button'}
      disabled={!isActive || sending.isPending}
      title={isActive ? undefined : texts.webhooks.notActive}
      onClick={() => sending.mutate()}
    >
      {name}
    </button>
  )
}
