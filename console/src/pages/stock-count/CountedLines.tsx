import { Link } from '@tanstack/react-router'
import { ScanBarcode } from 'lucide-react'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { Table } from '~/ui/Table'
import { again, CHANGED, clear, type Line, type Outcome, surprises, undo, useLines } from './counts'

/** What was counted in this session, newest first, with the outcome of each. `toScan` leads back to the scanner. */
export function CountedLines(props: { toScan: () => void }) {
  const texts = useTexts()
  const lines = useLines()
  const counted = lines.filter((it) => it.outcome !== 'undone')
  const differing = counted.filter((it) => it.by)
  return (
    <section className="card">
      <header>
        <div>
          <h2>{texts.stockCount.lines}</h2>
          {lines.length > 0 && (
            <p className="hint">{texts.stockCount.summary(products(counted), products(differing))}</p>
          )}
        </div>
        {lines.length > 0 && (
          <button
            type="button"
            className="button no-print"
            onClick={() => {
              clear()
              props.toScan()
            }}
          >
            {texts.stockCount.clear}
          </button>
        )}
      </header>
      {lines.length ? (
        <Table
          columns={[
            texts.stockCount.product,
            { name: texts.stockCount.before, isNumber: true },
            { name: texts.stockCount.counted, isNumber: true },
            { name: texts.stockCount.difference, isNumber: true },
            texts.stockCount.outcome,
            { name: texts.stockCount.undo, isHidden: true },
          ]}
        >
          {lines.map((it) => (
            <Row key={it.id} line={it} toScan={props.toScan} />
          ))}
        </Table>
      ) : (
        <Empty icon={ScanBarcode} title={texts.stockCount.empty} lead={texts.stockCount.emptyLead} />
      )}
    </section>
  )
}

/** A product may be counted more than once. */
function products(lines: Line[]): number {
  return new Set(lines.map((it) => it.productId)).size
}

const COLOURS: Record<Outcome, string> = {
  saving: '',
  right: 'green',
  adjusted: 'blue',
  failed: 'red',
  undoing: '',
  undone: '',
}

function Row(props: { line: Line; toScan: () => void }) {
  const { line, toScan } = props
  const texts = useTexts()
  const { count } = useFormats()
  const by = line.by ?? line.counted - (line.before ?? line.seen)
  const reasons = { count: texts.stockCount.reason, undo: texts.stockCount.undoReason }
  const button = (name: string, label: string, act: typeof undo) => (
    <button
      type="button"
      className="button no-print"
      aria-label={label}
      onClick={() => {
        act(line, reasons)
        toScan()
      }}
    >
      {name}
    </button>
  )
  return (
    <tr>
      <td className="wide">
        <Link to="/products/$id" params={{ id: line.productId }} className="break">
          {line.name}
        </Link>
        <div className="hint mono break">{line.sku}</div>
      </td>
      <td className="number">
        <span className="only-card hint">{texts.stockCount.before} </span>
        {count(line.before ?? line.seen)}
      </td>
      <td className="number">
        <span className="only-card hint">{texts.stockCount.counted} </span>
        {count(line.counted)}
      </td>
      <td className="number end">
        <strong>{by > 0 ? `+${count(by)}` : by < 0 ? `−${count(-by)}` : '0'}</strong>
      </td>
      <td className="outcome-cell">
        <span className={`badge ${COLOURS[line.outcome]}`} role="status">
          {texts.stockCount.outcomes[line.outcome]}
        </span>
        <Remarks line={line} />
      </td>
      <td className="number end">
        {line.outcome === 'adjusted' &&
          button(texts.stockCount.undo, texts.stockCount.undoLabel(line.name), undo)}
        {line.outcome === 'failed' &&
          (line.problem?.code === CHANGED
            ? button(texts.stockCount.saveStill, texts.stockCount.saveStillLabel(line.name), again)
            : button(texts.stockCount.again, texts.stockCount.againLabel(line.name), again))}
      </td>
    </tr>
  )
}

/** What the user should know about a line: movements meanwhile, or why it failed. */
function Remarks(props: { line: Line }) {
  const { line } = props
  const texts = useTexts()
  const { count } = useFormats()
  const { moved, crossed } = surprises(line)
  const remarks = [
    moved && texts.stockCount.moved(count(line.seen), count(line.before ?? line.seen)),
    crossed && texts.stockCount.crossed(count(line.after ?? 0)),
  ].filter((it) => it !== false)
  const { problem } = line
  const isUnknown = line.outcome === 'failed' && !!line.sentKey
  const textOf = ({ code, text }: NonNullable<Line['problem']>) => {
    if (code === 'stock-reserved') return texts.stockCount.tooFew(count(line.reserved ?? 0))
    if (code === CHANGED && line.before !== undefined)
      return texts.stockCount.changed(count(line.seen), count(line.before))
    return code === 'offline' ? texts.problem.offline : text || texts.problem.title
  }
  return (
    <>
      {remarks.map((it) => (
        <p key={it} className="small remark">
          {it}
        </p>
      ))}
      {(problem || isUnknown) && (
        <p className="error">
          {line.outcome === 'adjusted' && `${texts.stockCount.undoFailed} `}
          {isUnknown ? texts.stockCount.noAnswer : problem && textOf(problem)}
        </p>
      )}
    </>
  )
}
