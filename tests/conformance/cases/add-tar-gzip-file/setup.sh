gzip -n file; mv file.gz f.gz
