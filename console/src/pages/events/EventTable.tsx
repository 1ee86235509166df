import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { isAdmin } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { ExpandableRow, Table } from '~/ui/Table'
import { useRows } from '~/ui/useRows'
import { EventDetail } from './EventDetail'
import { colourOf, type Event, nameOfType, subjectOf } from './events'

export function EventTable(props: { events: Event[]; pending?: boolean }) {
  const { events, pending } = props
  const texts = useTexts()
  const [opened, setOpened] = useState<string | null>(null)
  const toggle = ({ id }: Event) => setOpened((before) => (before === id ? null : id))
  const active = useRows(events, { open: toggle })
  return (
    <Table
      columns={[texts.events.event, texts.events.about, texts.events.by, texts.events.when]}
      pendingRows={!!pending && 10}
    >
      {events.map((it, row) => (
        <Row
          key={it.id}
          event={it}
          active={row === active}
          open={it.id === opened}
          onToggle={() => toggle(it)}
        />
      ))}
    </Table>
  )
}

function Row(props: { event: Event; active: boolean; open: boolean; onToggle: () => void }) {
  const { event, active, open, onToggle } = props
  const texts = useTexts()
  const formats = useFormats()
  return (
    <ExpandableRow
      title={<span className={`badge ${colourOf(event.type)}`}>{nameOfType(event.type, texts)}</span>}
      columns={4}
      active={active}
      open={open}
      onToggle={onToggle}
      detail={() => <EventDetail event={event} />}
    >
      <td className="wide">
        <Subject event={event} />
      </td>
      <td className="quiet small">{roleName(event.actor.role ?? '', texts)}</td>
      <td className="quiet end" title={formats.exact(event.occurred_at)}>
        {formats.ago(event.occurred_at)}
      </td>
    </ExpandableRow>
  )
}

/** The name of the subject of an event, with a link to its page where this user has one. */
function Subject(props: { event: Event }) {
  const texts = useTexts()
  const subject = subjectOf(props.event)
  if (!subject?.text) return null
  const names: Record<string, string> = texts.exports.reports
  const text = props.event.type === 'report.ready' ? (names[subject.text] ?? subject.text) : subject.text
  if (subject.admin && !isAdmin()) return <span className="break">{text}</span>
  return (
    <Link to={subject.to} className="break">
      {text}
    </Link>
  )
}
