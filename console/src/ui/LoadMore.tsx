import { useEffect, useRef } from 'react'
import type { List } from '~/api/lists'
import { useTexts } from '~/texts'

/** The end of a list of `useList`: reads more, and leads to the next and the previous part of a long one. */
export function ListEnd(props: { list: List<unknown> }) {
  const texts = useTexts()
  const { items, showNext, showPrevious, hasNextPage, isFetchingNextPage, fetchNextPage } = props.list
  return (
    <>
      {!showNext && (
        <LoadMore shown={items.length} hasMore={hasNextPage} busy={isFetchingNextPage} more={fetchNextPage} />
      )}
      {(showNext || showPrevious) && (
        <nav className="row filters no-print" aria-label={texts.common.parts}>
          {showPrevious && (
            <button type="button" className="button" onClick={showPrevious}>
              {texts.common.previousPart}
            </button>
          )}
          {showNext && (
            <button type="button" className="button" onClick={showNext}>
              {texts.common.nextPart}
            </button>
          )}
        </nav>
      )}
    </>
  )
}

/** Reads more of a list when it comes into view, or by its button. `shown` is the number of rows or pages before it. */
export function LoadMore(props: { shown: number; hasMore: boolean; busy: boolean; more: () => unknown }) {
  const texts = useTexts()
  const button = useRef<HTMLButtonElement>(null)
  const { shown, hasMore, busy, more } = props
  // At the new end nothing changes that the observer of before would notice.
  // biome-ignore lint/correctness/useExhaustiveDependencies: after more rows an observer has to look again
  useEffect(() => {
    const element = button.current
    if (!element || !hasMore || busy) return
    // A busy page gets several entries at once, of which the first can be older than the scrolling.
    const observer = new IntersectionObserver((entries) => entries.at(-1)?.isIntersecting && more(), {
      rootMargin: '300px',
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [shown, hasMore, busy, more])
  if (!hasMore) return null
  return (
    <div className="empty no-print">
      <button ref={button} type="button" className="button" onClick={() => more()} disabled={busy}>
        {busy ? texts.common.loading : texts.common.loadMore}
      </button>
    </div>
  )
}
