import { Link, type LinkProps } from '@tanstack/react-router'
import { ArrowLeft } from 'lucide-react'
import { type ReactNode, useEffect } from 'react'
import { useTexts } from '~/texts'

/** The head of a page: its title, which the tab of the browser has too, with a badge, the list that it belongs to, one line about it, and its actions. */
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
  const { app } = useTexts()
  useEffect(() => {
    document.title = `${title} · ${app}`
    return () => {
      document.title = app
    }
  }, [title, app])
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
