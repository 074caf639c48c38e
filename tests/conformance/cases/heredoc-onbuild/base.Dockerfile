FROM busybox
ONBUILD RUN <<EOF
echo x > /out
EOF
