import { Search } from 'lucide-react'
import { useRef, useState } from 'react'

const PAUSE_MS = 220

/** A search field whose text becomes part of the address a moment after the last key. */
export function SearchBox(props: {
  value: string
  label: string
  maxLength?: number
  onSearch: (text: string) => Promise<unknown>
}) {
  const { value, label, maxLength = 200, onSearch } = props
  // What was typed and is not in the address yet.
  const [typed, setTyped] = useState<string | null>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  function search(text: string) {
    clearTimeout(timer.current)
    void onSearch(text.trim()).then(() => setTyped((it) => (it === text ? null : it)))
  }

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
        value={typed ?? value}
        onChange={(event) => {
          const text = event.target.value
          setTyped(text)
          clearTimeout(timer.current)
          timer.current = setTimeout(() => search(text), PAUSE_MS)
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') search(event.currentTarget.value)
        }}
      />
    </div>
  )
}
