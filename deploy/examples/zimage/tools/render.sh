#!/bin/sh
# render TITLE FILE: a page of FILE's text.
printf '<!doctype html>\n<title>%s</title>\n<p>' "$1"
cat "$2"
