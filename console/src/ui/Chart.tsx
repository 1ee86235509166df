/** A plot of days: bars for now, a line for the span before. */

import { useCallback } from 'react'
import type uPlot from 'uplot'
import { type Plot, type Theme, usePlot } from './plot'

export type Series = { days: string[]; now: number[]; before?: (number | null)[] }

type Props = {
  series: Series
  label: string
  names: { day: string; now: string; before: string }
  format: (value: number) => string
  day: (date: string) => string
  height?: number
}

/** `label` is read in place of the picture; `format` writes a value of the axis. */
export function Chart({ series, label, names, format, day, height = 190 }: Props) {
  const make = useCallback(
    (UPlot: typeof uPlot, theme: Theme) => plotOf(UPlot, theme, { series, names, format, day }),
    [series, names, format, day],
  )
  const box = usePlot(make, height)
  return <div ref={box} className="chart" role="img" aria-label={label} />
}

function plotOf(
  UPlot: typeof uPlot,
  { ink, accent, axis }: Theme,
  { series, names, format, day }: Pick<Props, 'series' | 'names' | 'format' | 'day'>,
): Plot {
  const bars = UPlot.paths.bars?.({ size: [0.6, 26], radius: 0.25 })
  const written = (_: unknown, value: number | null) => (value == null ? '–' : format(value))
  const places = series.days.map((_, place) => place)
  return {
    data: series.before ? [places, series.before, series.now] : [places, series.now],
    options: {
      padding: [10, 22, 0, 0],
      cursor: { y: false, points: { show: false } },
      legend: { live: true },
      scales: {
        x: { time: false, range: (_, low, high) => [low - 0.6, high + 0.6] },
        y: { range: (_, _low, high) => [0, high * 1.1 || 1] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          // The first label begins left of the plot, below the zero of the other axis.
          gap: 10,
          size: 33,
          space: 60,
          incrs: [1, 2, 7, 14, 28],
          values: (_, splits) => splits.map((it) => (series.days[it] ? day(series.days[it]) : '')),
        },
        { ...axis, size: 62, space: 36, values: (_, values) => values.map(format) },
      ],
      series: [
        {
          label: names.day,
          value: (_, place) => (place == null || !series.days[place] ? '' : day(series.days[place])),
        },
        ...(series.before
          ? [
              {
                label: names.before,
                stroke: ink,
                dash: [4, 4],
                width: 1.5,
                points: { show: false },
                value: written,
              },
            ]
          : []),
        {
          label: names.now,
          stroke: accent,
          fill: accent,
          width: 0,
          ...(bars ? { paths: bars } : {}),
          points: { show: false },
          value: written,
        },
      ],
    },
  }
}
