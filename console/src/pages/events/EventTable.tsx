import { Link } from '@tanstack/react-router'
import { ChevronRight } from 'lucide-react'
import { useCallback, useMemo, useState } from 'react'
import { currentUser } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { SkeletonRows } from '~/ui/Skeleton'
import { useRows } from '~/ui/useRows'
import { EventDetail } from './EventDetail'
import { colourOf, type Event, nameOfType, subjectOf } from './events'

export function EventTable(props: { events: Event[]; pending?: boolean }) {
  const { events, pending } = props
  const texts = useTexts()
  const [opened, setOpened] = useState<string | null>(null)
  const toggle = useCallback((id: string) => setOpened((before) => (before === id ? null : id)), [])
  const act = useMemo(
    () => ({ open: (row: number) => events[row] && toggle(events[row].id) }),
    [events, toggle],
  )
  const active = useRows(events.length, act)
  return (
    <div className="table-box">
      <table className="table cards" aria-busy={pending}>
        <thead>
          <tr>
            <th>{texts.events.event}</th>
            <th>{texts.events.about}</th>
            <th>{texts.events.by}</th>
            <th>{texts.events.when}</th>
          </tr>
        </thead>
        <tbody>
          {pending ? (
            <SkeletonRows rows={10} columns={4} />
          ) : (
            events.map((it, row) => (
              <Row key={it.id} event={it} active={row === active} open={it.id === opened} onToggle={toggle} />
            ))
          )}
        </tbody>
      </table>
    </div>
  )
}

function Row(props: { event: Event; active: boolean; open: boolean; onToggle: (id: string) => void }) {
  const { event, active, open, onToggle } = props
  const texts = useTexts()
  const formats = useFormats()
  return (
    <>
      <tr
        className="link"
        data-active={active}
        onClick={(click) => {
          if (!(click.target as HTMLElement).closest('button, a')) onToggle(event.id)
        }}
      >
        <td className="wide">
          <button type="button" className="expand" aria-expanded={open} onClick={() => onToggle(event.id)}>
            <ChevronRight size={15} aria-hidden />
            <span className={`badge ${colourOf(event.type)}`}>{nameOfType(event.type, texts)}</span>
          </button>
        </td>
        <td className="wide">
          <Subject event={event} />
        </td>
        <td className="quiet small">{roleName(event.actor.role ?? '', texts)}</td>
        <td className="quiet end" title={formats.exact(event.occurred_at)}>
          {formats.ago(event.occurred_at)}
        </td>
      </tr>
      {open && (
        <tr className="detail">
          <td colSpan={4} className="wide">
            <EventDetail event={event} />
          </td>
        </tr>
      )}
    </>
  )
}

/** The name of the subject of an event, with a link to its page where this user has one. */
function Subject(props: { event: Event }) {
  const texts = useTexts()
  const subject = subjectOf(props.event)
  if (!subject?.text) return null
  const names: Record<string, string> = texts.exports.reports
  const text = props.event.type === 'report.ready' ? (names[subject.text] ?? subject.text) : subject.text
  if (subject.admin && currentUser()?.role !== 'admin') return <span className="break">{text}</span>
  return (
    <Link to={subject.to} className="break">
      {text}
    </Link>
  )
}
