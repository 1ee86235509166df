import type { ReactNode } from 'react'

/** Is shown in the place of an empty list, and says what to do. */
export function Empty(props: { title: string; lead?: string; action?: ReactNode; icon?: ReactNode }) {
  return (
    <div className="empty">
      {props.icon}
      <h2>{props.title}</h2>
      {props.lead && <p>{props.lead}</p>}
      {props.action}
    </div>
  )
}
