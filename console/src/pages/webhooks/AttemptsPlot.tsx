/** A plot of attempts: when they were made, and how long they took. */

import '~/ui/chart.css'
import { useCallback } from 'react'
import type uPlot from 'uplot'
import { useFormats, useTexts } from '~/texts'
import { type Plot, type Theme, usePlot } from '~/ui/plot'
import { duration, type Points } from './attempts'

const HEIGHT = 170
const DAY_S = 86_400
const LEAST_S = 60

function axisTimes(locale: string, seconds: number[]): string[] {
  const span = (seconds.at(-1) ?? 0) - (seconds[0] ?? 0)
  const style: Intl.DateTimeFormatOptions =
    span >= DAY_S
      ? { day: 'numeric', month: 'short' }
      : { hour: 'numeric', minute: '2-digit', ...(span < 600 ? { second: '2-digit' } : {}) }
  const format = new Intl.DateTimeFormat(locale, style)
  return seconds.map((it) => format.format(it * 1000))
}

/** The whole decades around the durations, so that slow attempts do not flatten the usual ones. */
function decades(low: number, high: number): [number, number] {
  return [10 ** Math.floor(Math.log10(Math.max(1, low))), 10 ** Math.ceil(Math.log10(Math.max(10, high + 1)))]
}

function powers(low: number, high: number): number[] {
  const found = []
  for (let it = low; it <= high; it *= 10) found.push(it)
  return found
}

/** The span of the times, a little wider, and at least a minute. */
function around(low: number, high: number): [number, number] {
  const more = Math.max((high - low) * 0.02, (LEAST_S - (high - low)) / 2)
  return [low - more, high + more]
}

export function AttemptsPlot(props: { points: Points }) {
  const { points } = props
  const texts = useTexts()
  const { locale } = useFormats()
  const make = useCallback(
    (_: unknown, { accent, danger, axis }: Theme): Plot => {
      const dots = (colour: string, label: string): uPlot.Series => ({
        label,
        stroke: colour,
        paths: () => null,
        points: { show: true, size: 7, fill: colour, width: 0 },
      })
      const options: Plot['options'] = {
        padding: [10, 10, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { range: (_, low, high) => around(low, high) },
          y: { distr: 3, range: (_, low, high) => decades(low ?? 1, high ?? 1000) },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 28,
            space: 80,
            values: (_, times) => axisTimes(locale, times),
          },
          {
            ...axis,
            size: 62,
            splits: (_, __, low, high) => powers(low, high),
            values: (_, values) => values.map((it) => duration(it, locale)),
          },
        ],
        series: [
          {},
          dots(accent, texts.webhooks.attemptStatuses.succeeded),
          dots(danger, texts.webhooks.attemptStatuses.failed),
        ],
      }
      return { options, data: [points.times, points.succeeded, points.failed] }
    },
    [points, locale, texts],
  )
  const box = usePlot(make, HEIGHT)
  return <div ref={box} className="chart plain" role="img" aria-label={texts.webhooks.plot.label} />
}
