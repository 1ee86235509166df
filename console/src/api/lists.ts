/** Lists of the API, page after page by cursor. */

import { useInfiniteQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Page } from './client'

// The API ends a page after a fixed amount of work, so pages in the middle of a list can be empty.
const MOST_EMPTY_PAGES = 10
// Reading again costs a request for each page that is shown, so that long lists are not polled.
export const MOST_POLLED_PAGES = 2

/** Reads the next page that is not empty, or the last one. */
export async function nextFilledPage<Item>(
  read: (cursor: string | undefined) => Promise<Page<Item>>,
  cursor: string | undefined,
): Promise<Page<Item>> {
  let page = await read(cursor)
  for (let looks = 1; !page.items.length && page.next_cursor && looks < MOST_EMPTY_PAGES; looks++)
    page = await read(page.next_cursor)
  return page
}

type Options<Item> = {
  enabled?: boolean
  /** Milliseconds until the list is read again, or false. Lists of more than `MOST_POLLED_PAGES` are not. */
  poll?: (items: Item[], pages: number) => number | false
}

export type List<Item> = ReturnType<typeof useList<Item>>

/** The items of a list that were read so far, and a function that reads more. */
export function useList<Item>(
  key: unknown[],
  read: (cursor: string | undefined) => Promise<Page<Item>>,
  options: Options<Item> = {},
) {
  const { poll, ...others } = options
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => nextFilledPage(read, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: (query) => {
      const pages = query.state.data?.pages ?? []
      if (!poll || pages.length > MOST_POLLED_PAGES) return false
      return poll(
        pages.flatMap((page) => page.items),
        pages.length,
      )
    },
    ...others,
  })
  const items = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data])
  return { ...list, items }
}
