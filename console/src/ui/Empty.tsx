import type { LucideIcon } from 'lucide-react'
import type { ReactNode } from 'react'

/** Is shown in the place of an empty list, and says what to do. */
export function Empty(props: { title: string; lead?: string; action?: ReactNode; icon?: LucideIcon }) {
  const { title, lead, action, icon: Icon } = props
  return (
    <div className="empty">
      {Icon && <Icon size={28} aria-hidden />}
      <h2>{title}</h2>
      {lead && <p>{lead}</p>}
      {action}
    </div>
  )
}
