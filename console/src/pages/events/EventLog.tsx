import { ScrollText } from 'lucide-react'
import { useList } from '~/api/lists'
import { Problem } from '~/api/problem'
import type { EventsSearch } from '~/router'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { Failed } from '~/ui/problems'
import { EventTable } from './EventTable'
import { readLog } from './events'

/** The feed from its beginning, or after an event. It is read on demand alone, since it can be very long. */
export function EventLog(props: { search: EventsSearch }) {
  const texts = useTexts()
  const { count } = useFormats()
  const { type, after } = props.search
  const list = useList(['events', type, after], (cursor) => readLog(props.search, cursor))
  const { items } = list
  if (list.isError && !items.length) {
    const isGone = list.error instanceof Problem && (list.error.status === 404 || list.error.status === 410)
    if (isGone && after) return <Empty title={texts.events.afterGone} lead={texts.events.afterGoneLead} />
    return <Failed error={list.error} retry={() => void list.refetch()} />
  }
  if (list.isSuccess && !items.length && !list.hasNextPage)
    return (
      <Empty
        icon={<ScrollText size={28} aria-hidden />}
        title={texts.events.empty}
        lead={type || after ? texts.events.emptyFiltered : texts.events.emptyLead}
      />
    )
  return (
    <>
      <EventTable events={items} pending={list.isPending} />
      {list.hasNextPage && (
        <div className="empty no-print">
          <button
            type="button"
            className="button"
            disabled={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {list.isFetchingNextPage ? texts.common.loading : texts.events.readOn}
          </button>
          <span className="hint">{texts.events.read(count(items.length))}</span>
        </div>
      )}
    </>
  )
}
