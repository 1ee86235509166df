import { useEffect, useRef } from 'react'
import { useTexts } from '~/texts'

/** Reads more of a list when it comes into view, or by its button. */
export function LoadMore(props: { hasMore: boolean; busy: boolean; more: () => unknown }) {
  const texts = useTexts()
  const button = useRef<HTMLButtonElement>(null)
  const { hasMore, busy, more } = props
  useEffect(() => {
    const element = button.current
    if (!element || !hasMore || busy) return
    // A busy page gets several entries at once, of which the first can be older than the scrolling.
    const observer = new IntersectionObserver((entries) => entries.at(-1)?.isIntersecting && more(), {
      rootMargin: '300px',
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [hasMore, busy, more])
  if (!hasMore) return null
  return (
    <div className="empty no-print">
      <button ref={button} type="button" className="button" onClick={() => more()} disabled={busy}>
        {busy ? texts.common.loading : texts.common.loadMore}
      </button>
    </div>
  )
}
