import { describe, expect, it } from 'vitest'
import { before, monthBefore, monthTo } from '~/pages/reports/period'

describe('a period is compared', () => {
  it.each([
    [
      'the first days of a month with those of the month before',
      '2026-12-01',
      '2026-12-10',
      '2026-11-01',
      '2026-11-10',
    ],
    ['as far as that month goes', '2026-03-01', '2026-03-30', '2026-02-01', '2026-02-28'],
    ['a whole month with the whole month before', '2026-11-01', '2026-11-30', '2026-10-01', '2026-10-31'],
    ['also over the turn of a year', '2027-01-01', '2027-01-31', '2026-12-01', '2026-12-31'],
    ['any other days with as many before them', '2026-11-24', '2026-11-30', '2026-11-17', '2026-11-23'],
    ['and so a quarter', '2026-07-01', '2026-09-30', '2026-03-31', '2026-06-30'],
  ])('%s', (_, from, to, earlier, later) =>
    expect(before({ from, to })).toEqual({ from: earlier, to: later }),
  )
})

it('this month is until today, and the last one whole', () => {
  expect(monthTo('2026-12-01')).toEqual({ from: '2026-12-01', to: '2026-12-01' })
  expect(monthBefore('2028-03-31')).toEqual({ from: '2028-02-01', to: '2028-02-29' })
})
