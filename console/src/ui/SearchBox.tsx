import { Search } from 'lucide-react'
import { useTyped } from './useTyped'

/** A search field whose text becomes part of the address a moment after the last key. */
export function SearchBox(props: {
  value: string
  label: string
  maxLength?: number
  onSearch: (text: string) => Promise<unknown>
}) {
  const { label, maxLength = 200 } = props
  const { text, type, settle } = useTyped(props.value, props.onSearch)
  return (
    <div className="search">
      <Search size={15} aria-hidden />
      <input
        type="search"
        className="input"
        aria-label={label}
        placeholder={label}
        maxLength={maxLength}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => type(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') settle(event.currentTarget.value)
        }}
      />
    </div>
  )
}
