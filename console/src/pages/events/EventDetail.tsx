import { Link } from '@tanstack/react-router'
import { useFormats, useTexts } from '~/texts'
import { Json } from '~/ui/Json'
import { type Event, useCatalogue } from './events'

/** The content of an event, and the schema that its data follow. */
export function EventDetail(props: { event: Event }) {
  const { event } = props
  const texts = useTexts()
  const formats = useFormats()
  const { data: catalogue } = useCatalogue()
  const type = catalogue?.find((it) => it.type === event.type)
  return (
    <div className="stack">
      <div className="stack tight">
        {type && <p lang="en">{type.description}</p>}
        <dl className="inline-facts">
          <div>
            <dt>{texts.events.type}</dt>
            <dd className="mono">{event.type}</dd>
          </div>
          <div>
            <dt>{texts.events.id}</dt>
            <dd className="mono break">{event.id}</dd>
          </div>
          <div>
            <dt>{texts.events.sequence}</dt>
            <dd className="number">{event.sequence}</dd>
          </div>
          <div>
            <dt>{texts.events.when}</dt>
            <dd>
              <time dateTime={event.occurred_at}>{formats.exact(event.occurred_at)}</time>
            </dd>
          </div>
        </dl>
        {event.omitted?.length ? (
          <p className="note">{texts.events.omitted(event.omitted.join(', '))}</p>
        ) : null}
      </div>
      <Json value={event} label={texts.events.content} />
      <div className="row spread small">
        <Link to="/events" search={{ view: 'log', after: event.id }}>
          {texts.events.continueAfter}
        </Link>
      </div>
      {type && (
        <details>
          <summary>{texts.events.schema}</summary>
          <Json value={type.schema} label={texts.events.schema} />
        </details>
      )}
    </div>
  )
}
