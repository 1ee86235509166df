import { Link, type LinkProps } from '@tanstack/react-router'
import { ArrowLeft } from 'lucide-react'
import type { ReactNode } from 'react'

/** The head of a page: its title with a badge, the list that it belongs to, one line about it, and its actions. */
export function PageHead(props: {
  title: string
  parent?: { to: NonNullable<LinkProps['to']>; name: string }
  badge?: ReactNode
  lead?: ReactNode
  /** Whether the line is a code, such as a SKU. */
  isCode?: boolean
  children?: ReactNode
}) {
  const { title, parent, badge, lead, isCode, children } = props
  return (
    <header>
      {parent || lead ? (
        <div className="stack tight">
          {parent && (
            <Link to={parent.to} className="row quiet small no-print back">
              <ArrowLeft size={14} aria-hidden />
              {parent.name}
            </Link>
          )}
          <div className="row">
            <h1 className="break">{title}</h1>
            {badge}
          </div>
          {lead && <p className={isCode ? 'quiet mono break' : 'quiet break'}>{lead}</p>}
        </div>
      ) : (
        <h1>{title}</h1>
      )}
      {children}
    </header>
  )
}
