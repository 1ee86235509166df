import { useTexts } from '~/texts'

const WIDTHS = ['w60', 'w85', 'w40', 'w75', 'w50']

/** Stands for text that is being read. */
export function Skeleton(props: { lines?: number }) {
  const texts = useTexts()
  return (
    <div className="stack tight skeletons" role="status">
      <span className="hidden">{texts.common.loading}</span>
      {Array.from({ length: props.lines ?? 3 }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines never change
        <span key={line} className={`skeleton ${WIDTHS[line % WIDTHS.length]}`} />
      ))}
    </div>
  )
}

/** Rows of a table that are being read. */
export function SkeletonRows(props: { rows: number; columns: number }) {
  return Array.from({ length: props.rows }, (_, row) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the rows never change
    <tr key={row} aria-hidden>
      {Array.from({ length: props.columns }, (_, column) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the cells never change
        <td key={column}>
          <span className={`skeleton ${WIDTHS[(row + column) % WIDTHS.length]}`} />
        </td>
      ))}
    </tr>
  ))
}
