import { ScrollText } from 'lucide-react'
import { useList } from '~/api/lists'
import { isGone } from '~/api/problem'
import type { EventsSearch } from '~/router'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { ListFrame, ReadMore } from '~/ui/ListFrame'
import { EventTable } from './EventTable'
import { readLog } from './events'

/** The feed from its beginning, or after an event. It is read on demand alone, since it can be very long. */
export function EventLog(props: { search: EventsSearch }) {
  const texts = useTexts()
  const { count } = useFormats()
  const { type, after } = props.search
  const list = useList(['events', type, after], (cursor) => readLog(props.search, cursor))
  const { items } = list
  if (isGone(list.error) && after && !items.length)
    return <Empty title={texts.events.afterGone} lead={texts.events.afterGoneLead} />
  return (
    <ListFrame
      list={list}
      isEmpty={!items.length && !list.hasNextPage}
      empty={
        <Empty
          icon={ScrollText}
          title={texts.events.empty}
          lead={type || after ? texts.events.emptyFiltered : texts.events.emptyLead}
        />
      }
      more={
        <ReadMore list={list} label={texts.events.readOn} read={texts.events.read(count(items.length))} />
      }
    >
      <EventTable events={items} pending={list.isPending} />
    </ListFrame>
  )
}
