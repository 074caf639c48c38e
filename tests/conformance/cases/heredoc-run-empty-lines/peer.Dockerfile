FROM busybox
RUN printf '# no comment\n\na \\ b\n' > /out
