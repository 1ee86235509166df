import './detail.css'
import { TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { Copy } from './Copy'
import { Dialog } from './Dialog'

/** Shows a secret, which no later answer of the API has. It closes by its button alone. */
export function SecretDialog(props: {
  secret: string
  texts: { title: string; once: string; stored: string }
  lead: string
  onClose: () => void
  /** What to do with it. */
  children?: ReactNode
}) {
  const { secret, texts, lead, onClose, children } = props
  return (
    <Dialog open stays onClose={onClose} title={texts.title} lead={lead}>
      <div className="secret">
        <code className="mono">{secret}</code>
        <Copy text={secret} named />
      </div>
      {children}
      <p className="note">
        <TriangleAlert size={18} aria-hidden />
        {texts.once}
      </p>
      <div className="actions">
        <button type="button" className="button primary" onClick={onClose}>
          {texts.stored}
        </button>
      </div>
    </Dialog>
  )
}
