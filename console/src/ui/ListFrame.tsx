import type { ReactNode } from 'react'
import type { List } from '~/api/lists'
import { useTexts } from '~/texts'
import { ListEnd } from './LoadMore'
import { Failed } from './problems'

/** A list that is read page by page: its table, or what is in the place of an empty or failed one. */
export function ListFrame(props: {
  list: List<unknown>
  empty: ReactNode
  /** For a list whose items are not all shown, or whose next page may have some. */
  isEmpty?: boolean
  /** In the place of the button that reads more when it comes into view. */
  more?: ReactNode
  children: ReactNode
}) {
  const { list, empty, more, children } = props
  const { items, isError, isSuccess, error, refetch } = list
  const isEmpty = props.isEmpty ?? !items.length
  return (
    <>
      {isError && !items.length ? (
        <Failed error={error} retry={() => void refetch()} />
      ) : isSuccess && isEmpty ? (
        empty
      ) : (
        children
      )}
      {more ?? <ListEnd list={list} />}
    </>
  )
}

/** Reads more by its button alone: for lists that can be very long. `read` says how much was read. */
export function ReadMore(props: { list: List<unknown>; label: string; read: string }) {
  const texts = useTexts()
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = props.list
  if (!hasNextPage) return null
  return (
    <div className="empty no-print">
      <button
        type="button"
        className="button"
        disabled={isFetchingNextPage}
        onClick={() => void fetchNextPage()}
      >
        {isFetchingNextPage ? texts.common.loading : props.label}
      </button>
      <span className="hint">{props.read}</span>
    </div>
  )
}
