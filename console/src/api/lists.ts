/** Lists of the API, page after page by cursor. */

import { useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import type { Page } from './client'
import { FIRST, type Part, shownPart, showPart } from './parts'
import { isCursorRefused } from './problem'

// The API ends a page after a fixed amount of work, so pages in the middle of a list can be empty.
const MOST_EMPTY_PAGES = 10
// Reading again costs a request for each page that is shown, so that long lists are not polled.
export const MOST_POLLED_PAGES = 2
// With 500 rows, a change of a filter takes longer than 100 ms.
const MOST_PAGES = 4

/** Reads the next page that is not empty, or the last one. */
export async function nextFilledPage<Item>(
  read: (cursor: string | undefined) => Promise<Page<Item>>,
  cursor: string | undefined,
  most = MOST_EMPTY_PAGES,
): Promise<Page<Item>> {
  let page = await read(cursor)
  for (let looks = 1; !page.items.length && page.next_cursor && looks < most; looks++)
    page = await read(page.next_cursor)
  return page
}

type Options<Item> = {
  enabled?: boolean
  /** The most empty pages to read one after the other: a page can be empty before the end of the list. */
  mostEmptyPages?: number
  /** Milliseconds until the list is read again, or false. Lists of more than `MOST_POLLED_PAGES` are not. */
  poll?: (items: Item[], pages: number) => number | false
}

export type List<Item> = ReturnType<typeof useList<Item>>

/**
 * A part of a list: the items that were read so far, and functions that read more, or show the next or previous part.
 *
 * A part has four pages, so that a list of any length needs no more memory and time than one of four.
 */
export function useList<Item>(
  key: unknown[],
  read: (cursor: string | undefined) => Promise<Page<Item>>,
  options: Options<Item> = {},
) {
  const { poll, mostEmptyPages, ...others } = options
  const name = JSON.stringify(key)
  const [, draw] = useState(0)
  const part = shownPart(name)
  const show = (next: Part) => {
    showPart(name, next)
    draw((it) => it + 1)
    scrollTo({ top: 0 })
  }
  const list = useInfiniteQuery({
    queryKey: part.cursor ? [...key, part.cursor] : key,
    queryFn: ({ pageParam }) => nextFilledPage(read, pageParam, mostEmptyPages),
    initialPageParam: part.cursor,
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
  const isRefused = part.cursor !== undefined && isCursorRefused(list.error)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `show` is another function each time, and does the same
  useEffect(() => {
    if (isRefused) show(FIRST)
  }, [isRefused])
  const items = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data])
  const pages = list.data?.pages ?? []
  const next = pages.length >= MOST_PAGES ? pages.at(-1)?.next_cursor : null
  const { before } = part
  return {
    ...list,
    items,
    showNext: next ? () => show({ cursor: next, before: part }) : null,
    showPrevious: before && (() => show(before)),
    showFirst: () => show(FIRST),
  }
}
