import { describe, expect, it } from 'vitest'
import { countOf, interrupted, isUnusual, type Line, surprises } from '~/pages/stock-count/counts'

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
    const sent = { by: -2, key: 'k' }
    expect(interrupted({ ...line, outcome: 'saving', sent })).toMatchObject({ outcome: 'failed', sent })
  })
})
