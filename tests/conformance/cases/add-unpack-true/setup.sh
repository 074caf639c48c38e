mkdir -p t/in && echo x > t/in/x && ln -s x t/in/l && ln t/in/x t/in/h && chmod 4750 t/in/x && chmod 700 t/in && chown -R 7:8 t
tar -C t --sort=name --mtime=@1600000000  -cf a.tar in
rm -r t
