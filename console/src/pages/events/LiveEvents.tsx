import { Link } from '@tanstack/react-router'
import { Radio } from 'lucide-react'
import { useMemo } from 'react'
import type { EventsSearch } from '~/router'
import { useRecentEvents } from '~/shell/live'
import { useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { EventTable } from './EventTable'
import { covers } from './events'

/** The events since the back office was opened, newest first. */
export function LiveEvents(props: { search: EventsSearch }) {
  const texts = useTexts()
  const { type } = props.search
  const recent = useRecentEvents()
  const events = useMemo(
    () => (type ? recent.filter((it) => covers(type.split(','), it.type)) : recent),
    [recent, type],
  )
  if (!events.length)
    return (
      <Empty
        icon={Radio}
        title={texts.events.waiting}
        lead={type ? texts.events.waitingForType : texts.events.waitingLead}
        action={
          <Link to="/events" search={type ? { view: 'log', type } : { view: 'log' }} className="button">
            {texts.events.toLog}
          </Link>
        }
      />
    )
  return <EventTable events={events} />
}
