/** uPlot in the colours of the theme. It is loaded with the first plot, and drawn again in another theme or width. */

import { type RefObject, useEffect, useRef } from 'react'
import type uPlot from 'uplot'

export type Plot = { options: Omit<uPlot.Options, 'width' | 'height'>; data: uPlot.AlignedData }
export type Theme = { ink: string; accent: string; soft: string; danger: string; axis: uPlot.Axis }

function colour(name: string): string {
  // light-dark() is resolved by the element's own colour, not in the custom property.
  const probe = document.createElement('i')
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const found = getComputedStyle(probe).color
  probe.remove()
  return found
}

function currentTheme(): Theme {
  const ink = colour('--ink-3')
  const grid = { stroke: colour('--line'), width: 1 }
  return {
    ink,
    accent: colour('--accent'),
    soft: colour('--accent-soft'),
    danger: colour('--danger'),
    axis: { stroke: ink, grid, ticks: { show: false }, font: '12px Inter Variable, sans-serif' },
  }
}

/** Draws the plot that `make` describes into the element of the returned reference. `make` must be memoized. */
export function usePlot(
  make: (UPlot: typeof uPlot, theme: Theme) => Plot,
  height: number,
): RefObject<HTMLDivElement | null> {
  const box = useRef<HTMLDivElement>(null)
  const drawn = useRef<uPlot>(undefined)
  useEffect(() => {
    const element = box.current
    if (!element) return
    let ended = false
    const observer = new ResizeObserver(() => drawn.current?.setSize({ width: element.clientWidth, height }))
    const draw = async () => {
      const { default: UPlot } = await import('uplot')
      if (ended) return
      // The plot of before stays until the new one is there, so that nothing flickers.
      drawn.current?.destroy()
      const { options, data } = make(UPlot, currentTheme())
      // The legend has values only while the pointer is over the plot.
      const point = (plot: uPlot) => element.classList.toggle('pointed', plot.cursor.idx != null)
      const shown = { ...options, hooks: { setCursor: [point] }, width: element.clientWidth, height }
      drawn.current = new UPlot(shown, data, element)
      observer.observe(element)
    }
    void draw()
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const theme = new MutationObserver(() => void draw())
    scheme.addEventListener('change', draw)
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      ended = true
      observer.disconnect()
      theme.disconnect()
      scheme.removeEventListener('change', draw)
    }
  }, [make, height])
  useEffect(
    () => () => {
      drawn.current?.destroy()
      drawn.current = undefined
    },
    [],
  )
  return box
}
