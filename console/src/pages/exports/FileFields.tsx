import { useTexts } from '~/texts'
import { Check, Select } from '~/ui/Field'
import { comeIntoView } from '~/ui/FormParts'
import { COLUMNS, type Report } from './exports'

export type FileChoice = { format: 'csv' | 'xlsx'; columns: ReadonlySet<string> }

export function usualFile(report: Report): FileChoice {
  return { format: 'csv', columns: new Set(COLUMNS[report].usual) }
}

/** The format of a file and its columns, which exports and schedules share. */
export function FileFields(props: {
  report: Report
  choice: FileChoice
  onChange: (choice: FileChoice) => void
  gzip?: boolean
  error?: string | undefined
}) {
  const texts = useTexts()
  const { report, choice, onChange, error } = props
  const { usual, further } = COLUMNS[report]
  const box = (name: string) => (
    <label key={name} className="check">
      <input
        type="checkbox"
        checked={choice.columns.has(name)}
        onChange={(event) => {
          const columns = new Set(choice.columns)
          if (event.target.checked) columns.add(name)
          else columns.delete(name)
          onChange({ ...choice, columns })
        }}
      />
      <span className="mono">{name}</span>
    </label>
  )
  return (
    <>
      <Select
        label={texts.exports.format}
        name="format"
        value={choice.format}
        onChange={(event) => onChange({ ...choice, format: event.target.value as FileChoice['format'] })}
        options={[
          ['csv', texts.exports.formats.csv],
          ['xlsx', texts.exports.formats.xlsx],
        ]}
        hint={choice.format === 'csv' ? texts.exports.form.csvHint : texts.exports.form.xlsxHint}
      />
      {choice.format === 'csv' && (
        <div className="stack tight">
          <Check name="bom" label={texts.exports.form.bom} />
          {props.gzip && <Check name="gzip" label={texts.exports.form.gzip} />}
        </div>
      )}
      <details className="columns-choice">
        <summary>
          {texts.exports.columns}{' '}
          <span className="hint">
            {texts.exports.form.chosen(choice.columns.size, usual.length + further.length)}
          </span>
        </summary>
        <div className="boxes">{usual.map(box)}</div>
        {further.length > 0 && (
          <>
            <p className="hint">{texts.exports.form.personal}</p>
            <div className="boxes">{further.map(box)}</div>
          </>
        )}
      </details>
      {(error || choice.columns.size === 0) && (
        <p className="error" role="alert" ref={comeIntoView}>
          {error ?? texts.exports.form.noColumns}
        </p>
      )}
    </>
  )
}
