#!/usr/bin/env bash
# What README.md shows of a file must be in that file, line for line. An excerpt is a code block after
# a comment <!-- excerpt: FILE -->.
set -euo pipefail
perl -0777 -ne '
  my $excerpts = 0;
  while (/<!-- excerpt: (\S+) -->\n```\w*\n(.*?)```\n/gs) {
    my ($file, $text) = ($1, $2);
    ++$excerpts;
    open(my $in, "<", $file) or die "README.md shows $file, which is not there\n";
    my $content = join("", <$in>);
    next if $content =~ /^\Q$text\E/m;
    die "README.md shows of $file what is not in it:\n$text";
  }
  my $marked = () = /<!-- excerpt:/g;
  die "README.md has no excerpts, or one without its code block\n" unless $excerpts && $excerpts == $marked;
  print "$excerpts excerpts match\n";
' README.md
