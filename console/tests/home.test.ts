import { afterEach, describe, expect, it, vi } from 'vitest'
import { api } from '~/api/client'
import { readToDo } from '~/pages/home/overview'

/** Answers lists of orders with these counts by status, 100 orders at most. */
function shopWith(counts: Record<string, number>) {
  return vi.spyOn(api, 'GET').mockImplementation((async (_: string, init: unknown) => {
    const { status } = (init as { params: { query: { status: string[] } } }).params.query
    const all = status.flatMap((it) => Array.from({ length: counts[it] ?? 0 }, () => ({ status: it })))
    const data = { items: all.slice(0, 100), next_cursor: all.length > 100 ? 'next' : null }
    return { data, response: { ok: true } }
  }) as never)
}

describe('what a manager has to do', () => {
  afterEach(() => void vi.restoreAllMocks())

  it('is counted by one request', async () => {
    const get = shopWith({ pending: 60, confirmed: 40 })
    const toDo = await readToDo(false)
    expect([toDo.toConfirm, toDo.toShip]).toEqual([
      { least: 60, more: false },
      { least: 40, more: false },
    ])
    expect(get).toHaveBeenCalledTimes(1)
  })

  it('is right for each status where one page does not hold both', async () => {
    shopWith({ pending: 250, confirmed: 7 })
    const toDo = await readToDo(false)
    expect([toDo.toConfirm, toDo.toShip]).toEqual([
      { least: 100, more: true },
      { least: 7, more: false },
    ])
  })
})
