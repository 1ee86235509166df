import { TriangleAlert } from 'lucide-react'
import { useTexts } from '~/texts'
import { Copy } from '~/ui/Copy'
import { Dialog } from '~/ui/Dialog'

/** Shows a secret, which no later answer of the API has. It closes by its button alone. */
export function SecretDialog(props: { secret: string; lead: string; onClose: () => void }) {
  const texts = useTexts()
  return (
    <Dialog open stays onClose={props.onClose} title={texts.webhooks.secret.title} lead={props.lead}>
      <div className="secret">
        <code className="mono">{props.secret}</code>
        <Copy text={props.secret} named />
      </div>
      <p className="note">
        <TriangleAlert size={18} aria-hidden />
        {texts.webhooks.secret.once}
      </p>
      <div className="actions">
        <button type="button" className="button primary" onClick={props.onClose}>
          {texts.webhooks.secret.stored}
        </button>
      </div>
    </Dialog>
  )
}
