import { useMemo } from 'react'
import { Copy } from './Copy'

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

type Part = { at: number; text: string; kind?: 'key' | 'text' | 'value' }

/** The parts of JSON text that have colours of their own. */
export function parts(json: string): Part[] {
  const found: Part[] = []
  let end = 0
  for (const match of json.matchAll(TOKEN)) {
    const text = match[1] ?? match[0]
    if (match.index > end) found.push({ at: end, text: json.slice(end, match.index) })
    const kind = match[2] ? 'key' : match[1] ? 'text' : 'value'
    found.push({ at: match.index, text, kind })
    end = match.index + text.length
  }
  if (end < json.length) found.push({ at: end, text: json.slice(end) })
  return found
}

/** A value as formatted JSON text, which can be copied. */
export function Json(props: { value: unknown; label: string }) {
  const text = useMemo(() => JSON.stringify(props.value, null, 2), [props.value])
  return (
    <div className="json">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard has to reach it */}
      <section tabIndex={0} aria-label={props.label}>
        <pre>
          {parts(text).map((it) =>
            it.kind ? (
              <i key={it.at} className={it.kind}>
                {it.text}
              </i>
            ) : (
              it.text
            ),
          )}
        </pre>
      </section>
      <Copy text={text} />
    </div>
  )
}
