import { Check, Copy as CopyIcon } from 'lucide-react'
import { useState } from 'react'
import { useTexts } from '~/texts'

/** A button that puts text on the clipboard. Where the browser refuses, the text stays selectable beside it. */
export function Copy(props: { text: string; named?: boolean }) {
  const texts = useTexts()
  const [copied, setCopied] = useState('')
  const done = copied === props.text
  const name = done ? texts.common.copied : texts.common.copy
  const Icon = done ? Check : CopyIcon
  return (
    <button
      type="button"
      className={props.named ? 'button' : 'button icon'}
      aria-label={name}
      title={name}
      onClick={() => void navigator.clipboard?.writeText(props.text).then(() => setCopied(props.text))}
    >
      <Icon size={16} aria-hidden />
      {props.named && name}
    </button>
  )
}
