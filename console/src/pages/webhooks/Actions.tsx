import { Menu } from '@base-ui/react/menu'
import { useMutation } from '@tanstack/react-query'
import { KeyRound, MoreHorizontal, Pencil, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { queries, reread, rereadIfStale } from '~/api/queries'
import { isAdmin } from '~/session/session'
import { useTexts } from '~/texts'
import { complain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { ChangeDialog, DeleteDialog, RotateDialog } from './AdminDialogs'
import { ReplaySpan } from './ReplaySpan'
import { SendButton } from './SendButton'
import { changeWebhook, testWebhook, type Webhook } from './webhooks'

type Asking = 'replay' | 'change' | 'rotate' | 'delete'

/** What may be done with a webhook: managers test and replay, admins also change it. */
export function Actions(props: { webhook: Webhook }) {
  const { webhook } = props
  const texts = useTexts()
  const [asking, setAsking] = useState<Asking | null>(null)
  const isActive = webhook.status === 'active'
  const close = () => setAsking(null)
  return (
    <div className="row no-print">
      {isAdmin() && <Switch webhook={webhook} />}
      <button
        type="button"
        className="button"
        disabled={!isActive}
        title={isActive ? undefined : texts.webhooks.notActive}
        onClick={() => setAsking('replay')}
      >
        {texts.webhooks.replay.open}
      </button>
      <SendButton
        webhook={webhook}
        send={() => testWebhook(webhook)}
        name={texts.webhooks.test}
        done={texts.webhooks.tested}
        isPrimary
      />
      {isAdmin() && <More onChoose={setAsking} />}
      {asking === 'replay' && <ReplaySpan webhook={webhook} onClose={close} />}
      {asking === 'change' && <ChangeDialog webhook={webhook} onClose={close} />}
      {asking === 'rotate' && <RotateDialog webhook={webhook} onClose={close} />}
      {asking === 'delete' && <DeleteDialog webhook={webhook} onClose={close} />}
    </div>
  )
}

/** Pauses an active webhook, and makes one active that is paused or disabled. */
function Switch(props: { webhook: Webhook }) {
  const { webhook } = props
  const texts = useTexts()
  const to = webhook.status === 'active' ? 'paused' : 'active'
  const switching = useMutation({
    mutationFn: (of: { seen: Webhook; isUndo?: boolean }) =>
      changeWebhook(of.seen, { status: of.seen.status === 'active' ? 'paused' : 'active' }),
    onSuccess: (changed, { seen, isUndo }) => {
      queries.setQueryData(['webhook', webhook.id], changed)
      void reread('webhooks')
      // A webhook that was disabled would become paused, which is another status.
      const canUndo = !isUndo && seen.status !== 'disabled'
      say(
        changed.status === 'active' ? texts.webhooks.resumed : texts.webhooks.paused,
        canUndo ? { undo: () => switching.mutate({ seen: changed, isUndo: true }) } : {},
      )
    },
    onError: (error) => {
      rereadIfStale(error, 'webhook', webhook.id)
      complain(error, texts)
    },
  })
  return (
    <button
      type="button"
      className="button"
      disabled={switching.isPending}
      onClick={() => switching.mutate({ seen: webhook })}
    >
      {to === 'paused' ? texts.webhooks.pause : texts.webhooks.resume}
    </button>
  )
}

function More(props: { onChoose: (asking: Asking) => void }) {
  const texts = useTexts()
  return (
    <Menu.Root>
      <Menu.Trigger className="button icon" aria-label={texts.webhooks.more}>
        <MoreHorizontal size={18} aria-hidden />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner className="menu-positioner" sideOffset={6} align="end">
          <Menu.Popup className="menu">
            <Menu.Item onClick={() => props.onChoose('change')}>
              <Pencil size={16} aria-hidden /> {texts.webhooks.change}
            </Menu.Item>
            <Menu.Item onClick={() => props.onChoose('rotate')}>
              <KeyRound size={16} aria-hidden /> {texts.webhooks.rotate.open}
            </Menu.Item>
            <hr />
            <Menu.Item className="error" onClick={() => props.onChoose('delete')}>
              <Trash2 size={16} aria-hidden /> {texts.webhooks.delete.open}
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  )
}
