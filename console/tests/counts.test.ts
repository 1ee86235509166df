import { describe, expect, it } from 'vitest'
import {
  countOf,
  interrupted,
  isUnusual,
  type Line,
  nextRequest,
  saved,
  surprises,
} from '~/pages/stock-count/counts'

const line: Line = {
  id: '1',
  productId: '7',
  sku: 'A',
  name: 'Mug',
  seen: 12,
  counted: 10,
  outcome: 'adjusted',
}

describe('a count', () => {
  it('is a whole number, and no scanned code', () => {
    expect(['10', ' 0 ', '-1', '1.5', 'COF-1', '4006381333931'].map(countOf)).toEqual([
      10,
      0,
      null,
      null,
      null,
      null,
    ])
    expect(isUnusual(96385074, 40)).toBe(true)
    expect(isUnusual(1000, 0)).toBe(false)
  })

  it('says when the stock moved while it was made', () => {
    expect(surprises({ ...line, before: 12, after: 10 })).toEqual({ moved: false, crossed: false })
    expect(surprises({ ...line, before: 11, after: 10 })).toEqual({ moved: true, crossed: false })
    expect(surprises({ ...line, before: 12, after: 9 })).toEqual({ moved: false, crossed: true })
  })

  it('may be sent again after a reload, as the same request', () => {
    const sent = { ...line, outcome: 'saving' as const, sentKey: 'k' }
    expect(interrupted(sent)).toMatchObject({ outcome: 'failed', sentKey: 'k' })
  })

  it('is sent with all that wait, each of another product', () => {
    const waiting = [...'abcadb'].map((productId, place) => ({ ...line, productId, id: String(place) }))
    expect(nextRequest(waiting).map((it) => it.id)).toEqual(['0', '1', '2', '4'])
    expect(nextRequest([])).toEqual([])
    const many = Array.from({ length: 101 }, (_, place) => ({ ...line, productId: String(place) }))
    expect(nextRequest(many)).toHaveLength(100)
  })

  it('is repeated with its key, and with no count of another', () => {
    const keys = ['k', undefined, 'k', 'l']
    const waiting = keys.map((sentKey, place) => ({ ...line, productId: String(place), sentKey }))
    expect(nextRequest(waiting).map((it) => it.productId)).toEqual(['0', '2'])
    expect(nextRequest(waiting.slice(1)).map((it) => it.productId)).toEqual(['1'])
  })

  it('knows from its outcome what it changed', () => {
    const figures = { on_hand: 10, available: 8, reserved: 2, stock_version: 4 }
    const outcome = { product_id: '7', replayed: false, code: null, detail: null, ...figures }
    expect(saved(line, { ...outcome, status: 'changed', adjustment: -2 })).toEqual({
      outcome: 'adjusted',
      by: -2,
      before: 12,
      after: 10,
      reserved: 2,
      sentKey: undefined,
    })
    expect(saved(line, { ...outcome, status: 'unchanged', adjustment: 0 })).toMatchObject({
      outcome: 'right',
    })
  })

  it('that failed may be sent again as the same request only if the API was busy', () => {
    const figures = { on_hand: 10, available: 8, reserved: 2, stock_version: 4 }
    const failed = {
      product_id: '7',
      status: 'failed' as const,
      replayed: false,
      adjustment: null,
      ...figures,
    }
    const reserved = saved(line, { ...failed, code: 'stock-reserved', detail: 'Reserved.' })
    expect(reserved).toMatchObject({ outcome: 'failed', reserved: 2, before: 10 })
    expect('sentKey' in reserved).toBe(true)
    expect('sentKey' in saved(line, { ...failed, code: 'unavailable', detail: 'Busy.' })).toBe(false)
  })

  it('is saved although the API was too busy to read the stock after it', () => {
    const figures = { on_hand: null, available: null, reserved: null, stock_version: null }
    const outcome = { product_id: '7', replayed: false, code: null, detail: null, ...figures }
    expect(saved(line, { ...outcome, status: 'changed', adjustment: -2 })).toEqual({
      outcome: 'adjusted',
      by: -2,
      sentKey: undefined,
    })
  })

  it('is for the version that was seen: if units moved meanwhile, the user decides', () => {
    const figures = { available: 8, reserved: 2, stock_version: 9 }
    const changed = {
      product_id: '7',
      status: 'failed' as const,
      replayed: false,
      adjustment: null,
      code: 'stock-changed',
      detail: 'The stock has changed.',
      ...figures,
    }
    expect(saved(line, { ...changed, on_hand: 10 })).toMatchObject({
      outcome: 'failed',
      problem: { code: 'stock-changed' },
      before: 10,
      version: 9,
      sentKey: undefined,
    })
    // An order reserved units that are still on the shelf.
    expect(saved(line, { ...changed, on_hand: line.seen })).toMatchObject({ outcome: 'saving', version: 9 })
  })
})
