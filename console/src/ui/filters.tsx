/** The fields above a list. Each value is in the address. */

import { useTyped } from './useTyped'

export function TextFilter(props: {
  label: string
  hint?: string
  value: string | undefined
  onChange: (text: string) => Promise<unknown>
}) {
  const { text, type } = useTyped(props.value ?? '', props.onChange)
  return (
    <input
      type="search"
      className="input"
      aria-label={props.label}
      placeholder={props.hint ?? props.label}
      value={text}
      onChange={(event) => type(event.target.value)}
    />
  )
}

/** The first option, `all`, has no value. */
export function ChoiceFilter(props: {
  label: string
  all: string
  options: [value: string, text: string][]
  /** The options are data, such as categories: no language has other words for them. */
  isData?: boolean
  value: string | undefined
  onChange: (value: string) => unknown
}) {
  return (
    <select
      className="input"
      aria-label={props.label}
      value={props.value ?? ''}
      onChange={(event) => props.onChange(event.target.value)}
    >
      <option value="">{props.all}</option>
      {props.options.map(([value, text]) => (
        <option key={value} value={value} translate={props.isData ? 'no' : undefined}>
          {text}
        </option>
      ))}
    </select>
  )
}

/** A day such as 2026-11-29, or an empty text. The label is beside the field, or for screen readers alone. */
export function DayFilter(props: {
  label: string
  isLabelShown?: boolean
  className?: string
  value: string | undefined
  min?: string | undefined
  max?: string | undefined
  onChange: (day: string) => unknown
}) {
  const { label, isLabelShown, className = 'input', value, onChange, ...limits } = props
  const input = (
    <input
      type="date"
      className={className}
      aria-label={isLabelShown ? undefined : label}
      value={value ?? ''}
      onChange={(event) => onChange(event.target.value)}
      {...limits}
    />
  )
  if (!isLabelShown) return input
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the field is in it
    <label className="row">
      <span className="hint">{label}</span>
      {input}
    </label>
  )
}
