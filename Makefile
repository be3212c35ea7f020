# make book builds the site, make test checks everything, make lab opens the
# chapters, make help lists the rest. Each installs what it needs into .venv first.
.PHONY: help book test lab reproduce review lock clean
.DEFAULT_GOAL := help

run = sh book/environment.sh && .venv/bin/python -m book.build

help: ## this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 18

book: ## run the chapters that changed, build the site, print its address
	@$(run) book

test: ## check the code, the chapters, the site and its pages
	@$(run) test

lab: ## open the chapters in JupyterLab
	@$(run) lab

reproduce: ## for authors: run every chapter three times, compare the outputs
	@$(run) reproduce

review: ## for authors: keep the verdicts and the picture just computed
	@$(run) review

lock: ## for authors: choose the newest versions for requirements.txt (needs uv)
	@uv pip compile --quiet --universal --upgrade --python-version 3.12 \
		--extra book --extra test --no-header --no-annotate \
		--output-file requirements.new pyproject.toml
	@echo '-e .' >>requirements.new
	@mv requirements.new requirements.txt

clean: ## delete the site and every stored result
	@rm -rf _build
