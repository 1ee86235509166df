import { Dialog as Base } from '@base-ui/react/dialog'
import type { ReactNode } from 'react'

/** A modal dialog. It closes by Escape and by a click beside it unless `stays`. */
export function Dialog(props: {
  open: boolean
  onClose: () => void
  title: ReactNode
  lead?: ReactNode
  wide?: boolean
  stays?: boolean
  children: ReactNode
}) {
  const { open, onClose, title, lead, wide, stays, children } = props
  return (
    <Base.Root open={open} onOpenChange={(to) => to || stays || onClose()} disablePointerDismissal={!!stays}>
      <Base.Portal>
        <Base.Backdrop className="backdrop" />
        <Base.Popup className={wide ? 'dialog wide' : 'dialog'}>
          <div className="stack tight">
            <Base.Title>{title}</Base.Title>
            {lead && <Base.Description className="quiet">{lead}</Base.Description>}
          </div>
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}
