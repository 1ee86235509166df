import { ChevronRight } from 'lucide-react'
import type { ReactNode } from 'react'
import { SkeletonRows } from './Skeleton'

export type Column =
  | string
  | {
      name: ReactNode
      isNumber?: boolean
      isNarrow?: boolean
      /** Not on a phone; its cells have the class `desk`. */
      isWide?: boolean
      /** Only screen readers read the name: of a column of buttons. */
      isHidden?: boolean
      sorted?: 'ascending' | 'descending' | undefined
    }

/** A table that scrolls within its box. On a phone, a table of the class `cards` is a list of cards. */
export function Table(props: {
  columns: Column[]
  /** The number of rows to draw while the table is being read. */
  pendingRows?: number | false
  /** The children are bodies of the table, not rows. */
  hasBodies?: boolean
  /** Further classes, in the place of `cards`. */
  className?: string
  children: ReactNode
}) {
  const { columns, pendingRows, hasBodies, className = 'cards', children } = props
  return (
    <div className="table-box">
      <table className={className ? `table ${className}` : 'table'} aria-busy={!!pendingRows}>
        <thead>
          <tr>
            {columns.map((it, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the columns stay in their order
              <Head key={place} column={it} />
            ))}
          </tr>
        </thead>
        {pendingRows ? (
          <tbody>
            <SkeletonRows rows={pendingRows} columns={columns.length} />
          </tbody>
        ) : hasBodies ? (
          children
        ) : (
          <tbody>{children}</tbody>
        )}
      </table>
    </div>
  )
}

function Head(props: { column: Column }) {
  const { column } = props
  if (typeof column === 'string') return <th>{column}</th>
  const kinds = [column.isNumber && 'number', column.isNarrow && 'narrow', column.isWide && 'desk']
  return (
    <th className={kinds.filter(Boolean).join(' ') || undefined} aria-sort={column.sorted}>
      {column.isHidden ? <span className="hidden">{column.name}</span> : column.name}
    </th>
  )
}

type RowProps = { active: boolean; selected?: boolean; onOpen: () => void; children: ReactNode }

/** A row that opens by a click, unless the click is for a control in it. `active` is the row of the keys j and k. */
export function OpenableRow({ active, selected, onOpen, children }: RowProps) {
  return (
    <tr
      className="link"
      data-active={active}
      aria-selected={selected}
      onClick={(event) => {
        if (!(event.target as HTMLElement).closest('a, button, input')) onOpen()
      }}
    >
      {children}
    </tr>
  )
}

/** A row that shows `detail` below itself while it is open. Its first cell has the button for that. */
export function ExpandableRow(props: {
  title: ReactNode
  columns: number
  active: boolean
  open: boolean
  onToggle: () => void
  detail: () => ReactNode
  children: ReactNode
}) {
  const { title, columns, active, open, onToggle, detail, children } = props
  return (
    <>
      <OpenableRow active={active} onOpen={onToggle}>
        <td className="wide">
          <button type="button" className="expand" aria-expanded={open} onClick={onToggle}>
            <ChevronRight size={15} aria-hidden />
            {title}
          </button>
        </td>
        {children}
      </OpenableRow>
      {open && (
        <tr className="detail">
          <td colSpan={columns} className="wide">
            {detail()}
          </td>
        </tr>
      )}
    </>
  )
}
