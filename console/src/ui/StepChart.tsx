/** A plot of levels over time, each of which stays until the next one: as steps. */

import { useCallback } from 'react'
import type uPlot from 'uplot'
import { type Theme, usePlot } from './plot'

/** `times` are in seconds since 1970. `main` is drawn as an area, `other` as a dashed line. */
export type Steps = { times: number[]; main: number[]; other: number[] }

type Props = {
  steps: Steps
  label: string
  names: { main: string; other: string; time: string }
  format: (value: number) => string
  /** Writes a time of the axis; the span of the plot decides how exactly. */
  time: (seconds: number, span: number) => string
  height?: number
}

const AXIS_WIDTH = 62
// That of the axis, and half of the longest label of a time.
const LABELS_WIDTH = AXIS_WIDTH + 42

const WHOLE = [1, 2, 5]
  .flatMap((it) => Array.from({ length: 9 }, (_, zeros) => it * 10 ** zeros))
  .sort((a, b) => a - b)

/** From zero, unless the levels are so close together that their steps would not be seen. */
function rangeOf(low: number, high: number): [number, number] {
  const span = high - low
  const isFlat = span > 0 && span < high * 0.2
  return isFlat ? [Math.max(0, low - span), high + span * 0.3] : [0, high * 1.1 || 1]
}

/** `label` is read in place of the picture. */
export function StepChart({ steps, label, names, format, time, height = 200 }: Props) {
  const make = useCallback(
    (UPlot: typeof uPlot, { ink, accent, soft, axis }: Theme) => {
      const paths = UPlot.paths.stepped?.({ align: 1 })
      const span = (steps.times.at(-1) ?? 0) - (steps.times[0] ?? 0)
      const line = {
        ...(paths ? { paths } : {}),
        points: { show: false },
        value: (_: unknown, value: number | null) => (value == null ? '–' : format(value)),
      }
      return {
        data: [steps.times, steps.other, steps.main] as [number[], number[], number[]],
        options: {
          padding: [10, 12, 0, 0] as [number, number, number, number],
          cursor: { y: false, points: { show: false } },
          legend: { live: true },
          scales: { y: { range: (_: unknown, low: number, high: number) => rangeOf(low, high) } },
          axes: [
            {
              ...axis,
              grid: { show: false },
              space: 90,
              size: 30,
              // The canvas would cut a label at its edge.
              values: (plot: uPlot, at: number[]) =>
                at.map((it) => (plot.valToPos(it, 'x') > plot.width - LABELS_WIDTH ? '' : time(it, span))),
            },
            {
              ...axis,
              size: AXIS_WIDTH,
              space: 36,
              incrs: WHOLE,
              values: (_: unknown, values: number[]) => values.map(format),
            },
          ],
          series: [
            { label: names.time, value: (_: unknown, at: number | null) => (at == null ? '' : time(at, 0)) },
            { ...line, label: names.other, stroke: ink, dash: [4, 4], width: 1.5 },
            { ...line, label: names.main, stroke: accent, fill: soft, width: 1.75 },
          ],
        },
      }
    },
    [steps, names, format, time],
  )
  const box = usePlot(make, height)
  return <div ref={box} className="chart" role="img" aria-label={label} />
}
